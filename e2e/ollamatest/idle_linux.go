package ollamatest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// still is how long runners are watched for whether they compute. One that
// generates uses the processor all of that time.
const still = 200 * time.Millisecond

// AwaitIdle fails the test unless all runners have stopped computing within
// limit. It looks at their processor time: that the next request is answered
// would not do, since an Ollama whose reader has left sometimes leaves the next
// request on the same runner unanswered.
func (s *Server) AwaitIdle(limit time.Duration) {
	s.t.Helper()
	started := time.Now()
	for last := s.processorTicks(); ; {
		time.Sleep(still)
		now := s.processorTicks()
		if now-last <= 1 {
			return
		}
		if waited := time.Since(started); waited > limit+still {
			s.t.Fatalf("the runners of Ollama still compute after %v", waited.Round(10*time.Millisecond))
		}
		last = now
	}
}

// processorTicks returns how long all runners have computed so far, in the
// kernel's clock ticks of 10 ms.
func (s *Server) processorTicks() int {
	s.t.Helper()
	sum := 0
	for _, pid := range s.RunnerPIDs() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // unloaded meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		for _, field := range strings.Fields(rest)[11:13] { // utime and stime, the 14th and 15th of all
			ticks, err := strconv.Atoi(field)
			if err != nil {
				s.t.Fatal(err)
			}
			sum += ticks
		}
	}
	return sum
}
