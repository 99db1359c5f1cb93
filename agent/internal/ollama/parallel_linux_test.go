package ollama

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestParallelBy(t *testing.T) {
	for _, c := range []struct {
		version, value string
		want           uint32
	}{
		{"0.17.4", "", 1},
		{"0.10.0", "", 1},
		{"0.34.2-rc1", "", 1},
		{"1.0.0", "", 1},
		{"0.9.6", "", 0}, // went by the free memory
		{"0.0.0", "", 0}, // a build without a version
		{"", "", 0},
		{"9", "", 0},
		{"main", "", 0},
		{"0.17.4", "4", 4},
		{"0.9.6", "4", 4},
		{"", "4", 4},
		{"0.17.4", ` "8" `, 8},
		{"0.17.4", "0", 1},
		{"0.17.4", "many", 1},
		{"0.17.4", "-1", 1},
		{"0.9.6", "0", 0},
		{"0.17.4", "18446744073709551615", maxParallel},
	} {
		if got := parallelBy(c.version, c.value); got != c.want {
			t.Errorf("%q with %q: %d, want %d", c.version, c.value, got, c.want)
		}
	}
}

// TestManagedOllamaTellsHowManyRequestsItServes wants what is told of an Ollama
// to be what that Ollama says of itself when it starts.
func TestManagedOllamaTellsHowManyRequestsItServes(t *testing.T) {
	t.Setenv("OLLAMA_NUM_PARALLEL", "7") // of the agent, not of its Ollama
	for name, bin := range map[string]string{"tested": realollama.Bin(t), "newest": realollama.Newest(t)} {
		for set, want := range map[uint]uint32{0: 1, 3: 3} {
			t.Run(name+" with "+strconv.Itoa(int(set)), func(t *testing.T) {
				s := supervise(t, Config{Mode: ModeManaged, Bin: bin, URL: "http://127.0.0.1:0", DataDir: t.TempDir(), Settings: Settings{NumParallel: set}})
				if i := s.awaitReady(); i.Parallel != want || saidParallel(t, s) != want {
					t.Errorf("it is told to serve %d, and says %d; want %d", i.Parallel, saidParallel(t, s), want)
				}
			})
		}
	}
}

// saidParallel returns what an Ollama logged of its own settings.
func saidParallel(t *testing.T, s *subject) uint32 {
	t.Helper()
	lines, _, err := s.Logs().Tail(10000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if !strings.Contains(l.Text, "server config") {
			continue
		}
		if m := regexp.MustCompile(`OLLAMA_NUM_PARALLEL:(\d+)`).FindStringSubmatch(l.Text); m != nil {
			n, err := strconv.ParseUint(m[1], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			return uint32(n)
		}
	}
	t.Fatal("it does not tell its settings")
	return 0
}

func TestAttachedOllamaTellsHowManyRequestsItServes(t *testing.T) {
	at, models := freeAddress(t), t.TempDir()
	awaits := func(s *subject, want uint32) {
		t.Helper()
		if i := s.awaitReady(); i.Parallel != want {
			t.Errorf("it is told to serve %d, want %d", i.Parallel, want)
		}
	}
	theirs := somebodyElses(t, at, models, "OLLAMA_NUM_PARALLEL=5")
	attached := Config{Mode: ModeAttached, URL: "http://" + at}
	attached.DataDir = t.TempDir()
	s := supervise(t, attached)
	awaits(s, 5)
	theirs.Process.Kill()
	s.awaitState(wire.InstanceStopped, "unreachable")
	if i := s.Snapshot(); i.Parallel != 0 {
		t.Errorf("what is gone is told to serve %d", i.Parallel)
	}
	somebodyElses(t, at, models)
	awaits(s, 1)
	attached.DataDir, attached.Settings.NumParallel = t.TempDir(), 9
	awaits(supervise(t, attached), 9)
}

func TestProgramInPlaceOfAnOllamaSaysNothingOfIt(t *testing.T) {
	f := startFake(t)
	t.Setenv("OLLAMA_NUM_PARALLEL", "5")
	s := supervise(t, Config{Mode: ModeAttached, URL: f.URL, DataDir: t.TempDir()})
	if i := s.awaitReady(); i.Parallel != 0 {
		t.Errorf("it is told to serve %d", i.Parallel)
	}
}
