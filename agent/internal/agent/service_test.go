package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/agent/internal/status"
)

func TestThePulseOfALoopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPulse(10 * time.Second)
		time.Sleep(9 * time.Second)
		p.beat()
		time.Sleep(10 * time.Second)
		if !p.beats() {
			t.Error("it does not beat any more, though its next turn is only due")
		}
		time.Sleep(time.Millisecond)
		if p.beats() {
			t.Error("it beats, though it hangs")
		}
	})
}

func TestWhatSystemdIsTold(t *testing.T) {
	for line, r := range map[string]status.Report{
		"not connected; Ollama is unknown": {},
		"connected to https://c:11435; Ollama is ready with 3 models": {
			Connected: true, Server: "https://c:11435", Ollama: status.Ollama{State: "ready", Models: 3},
		},
	} {
		if got := beatOf(r, true); got.Status != line || !got.Alive {
			t.Errorf("%+v, want %q", got, line)
		}
	}
}
