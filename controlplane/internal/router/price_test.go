package router

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// chooses picks an instance for a body of Ollama's chat.
func (l *lab) chooses(t *testing.T, body string, tried ...fleet.Target) (*ask, *choice) {
	t.Helper()
	a := readAsk(l.seed, "tiny", "/api/chat", []byte(body))
	c, err := l.choose(&a, tried)
	if err != nil {
		t.Fatal(err)
	}
	return &a, c
}

// warm adds hosts that have the model in memory.
func (l *lab) warm(ids ...string) {
	for _, id := range ids {
		l.join(id, tiny())
		l.report(id, fleet.Instance{
			Models: []fleet.HostModel{tiny()}, Loaded: []fleet.LoadedModel{{Name: "tiny:latest", Digest: "d1", ContextLength: 4096}},
		})
	}
}

const short = `{"messages":[{"role":"user","content":"Why?"}],"options":{"num_predict":100}}`

func TestAReloadNeverHitsARunnerAtWork(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("h1", "h2")
	with := func(context string) string {
		return strings.Replace(short, `"num_predict"`, `"num_ctx":`+context+`,"num_predict"`, 1)
	}
	_, first := l.chooses(t, with("4096"))
	l.begin(first)
	if first.loads || first.to.Report.Target.HostID != "h1" {
		t.Errorf("the context that is there: %+v", first.offer)
	}
	// h2 is idle; even a long queue there would be better than to disturb h1.
	for range 9 {
		_, c := l.chooses(t, with("8192"))
		l.begin(c)
		if c.to.Report.Target.HostID != "h2" {
			t.Fatalf("another context went to the runner at work, %+v", c.offer)
		}
	}
	if _, c := l.chooses(t, with("4096")); c.to.Report.Target.HostID != "h1" || c.reloads {
		t.Errorf("the context that h1 has: %s, %+v", c.to.Report.Target.HostID, c.offer)
	}
	one := newLab(&hosts{})
	one.warm("h1")
	one.chooses(t, short)
	if _, c := one.chooses(t, with("8192")); !c.reloads || !c.harmful || c.load <= 0 || c.wait <= 0 {
		t.Errorf("where there is no other choice: %+v", c.offer)
	}
}

func TestOneLoadIsEnough(t *testing.T) {
	l := newLab(&hosts{})
	big := fleet.HostModel{Name: "tiny:latest", Digest: "d1", SizeBytes: 60e9}
	other := []fleet.LoadedModel{{Name: "other:latest", Digest: "d2"}} // memory is not free
	for _, id := range []string{"h1", "h2", "h3"} {
		l.join(id)
		l.report(id, fleet.Instance{Models: []fleet.HostModel{big}, Loaded: other, Parallel: 4})
	}
	var all []*choice
	for i := range 4 {
		_, c := l.chooses(t, short)
		if c.to.Report.Target.HostID != "h1" || !c.loads || c.starts != (i == 0) {
			t.Errorf("request %d: %s, %+v", i, c.to.Report.Target.HostID, c.offer)
		}
		all = append(all, c)
		l.now = l.now.Add(10 * time.Second)
	}
	if diff := cmp.Diff([]float64{61, 51, 41, 31}, []float64{all[0].load, all[1].load, all[2].load, all[3].load}); diff != "" {
		t.Errorf("what is left of the load (-want +got)\n%s", diff)
	}
	for _, c := range all {
		l.begin(c)
	}
	if _, c := l.chooses(t, short); c.loads {
		t.Errorf("it is loaded: %+v", c.offer)
	}
}

func TestAConversationComesBack(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("h1", "h2", "h3")
	said := `{"role":"user","content":"` + strings.Repeat("Why is the sky blue? ", 2000) + `"}`
	body := func(more string) string { return `{"messages":[` + said + more + `],"options":{"num_predict":10}}` }
	a, c := l.chooses(t, body(""))
	l.begin(c)
	l.release(a, c, fleet.Counts{})
	home := c.to.Report.Target
	// Others have been elsewhere since, and it is their turn more than home's.
	_, again := l.chooses(t, body(`,{"role":"assistant","content":"Because."}`))
	if again.to.Report.Target != home || again.matched == 0 {
		t.Errorf("went to %s with %d bytes matched, want %s", again.to.Report.Target.HostID, again.matched, home.HostID)
	}
	l.begin(again)
	_, busy := l.chooses(t, body(`,{"role":"assistant","content":"Why not?"}`))
	l.begin(busy)
	// With two under way there and none elsewhere, what home has no longer counts.
	_, guarded := l.chooses(t, body(`,{"role":"assistant","content":"So?"}`))
	if guarded.to.Report.Target == home {
		t.Errorf("it went home though home is busy: %+v", guarded.offer)
	}
}

func TestAnUnloadIsRemembered(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("h1")
	a, c := l.chooses(t, strings.Replace(short, `"options"`, `"keep_alive":0,"options"`, 1))
	l.begin(c)
	l.release(a, c, fleet.Counts{})
	if _, c := l.chooses(t, short); !c.loads {
		t.Errorf("the model is gone, whatever the report from before says: %+v", c.offer)
	}
}

func TestTheQuickerHostIsPicked(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("slow", "quick")
	for range 2 {
		a, c := l.chooses(t, short)
		l.begin(c)
		took := time.Second
		if c.to.Report.Target.HostID == "slow" {
			took = 10 * time.Second
		}
		defer l.release(a, c, fleet.Counts{})
		c.runner.learn(a, fleet.Counts{Tokens: new(int64(100)), Generate: took}, 0, false)
	}
	l = l.after(time.Hour)
	if _, c := l.chooses(t, short); c.to.Report.Target.HostID != "quick" {
		t.Errorf("went to %s", c.to.Report.Target.HostID)
	}
}

// after moves the clock.
func (l *lab) after(d time.Duration) *lab {
	l.now = l.now.Add(d)
	return l
}

func TestWhatWasTriedIsLeftOut(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("h1", "h2")
	_, first := l.chooses(t, short)
	_, second := l.chooses(t, short, first.to.Report.Target)
	if first.to.Report.Target == second.to.Report.Target {
		t.Errorf("both went to %v", first.to.Report.Target)
	}
	a := readAsk(l.seed, "tiny", "/api/chat", nil)
	if _, err := l.choose(&a, []fleet.Target{first.to.Report.Target, second.to.Report.Target}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("when all were tried: %v", err)
	}
}

func TestAHostThatIsGoneIsForgotten(t *testing.T) {
	l := newLab(&hosts{})
	l.warm("h1", "h2")
	for range 2 {
		defer l.ask(t, "tiny").Body.Close()
	}
	l.registry.Remove("h1")
	l.ask(t, "tiny").Body.Close()
	known := func() (n int) {
		for _, r := range l.models["d1"].runners.all {
			if r.used {
				n++
			}
		}
		return n
	}
	if n := known(); n != 2 {
		t.Fatalf("%d runners are known before the sweep", n)
	}
	l.seats.at(1).inFlight = 0 // its answer has ended with it
	l.after(2 * sweepEvery).sweep()
	if n := known(); n != 1 || l.seats.at(1).report != nil {
		t.Errorf("%d runners are known after it, and of the host %+v", n, l.seats.at(1))
	}
	l.seats.at(1).inFlight = 1
}

// A model goes where it fits beside what is loaded, and not where others have to
// make room for it.
func TestAModelIsLoadedWhereItFits(t *testing.T) {
	const gib = 1 << 30
	l := newLab(&hosts{})
	big := fleet.HostModel{Name: "tiny:latest", Digest: "d1", SizeBytes: 40 * gib}
	for _, id := range []string{"full", "free"} {
		l.join(id)
		l.report(id, fleet.Instance{Models: []fleet.HostModel{big}, Loaded: []fleet.LoadedModel{{Name: "other:latest", Digest: "d2"}}})
	}
	used := map[string]int64{"full": 70 * gib, "free": 20 * gib}
	for range 4 {
		for id := range used {
			n, total := used[id], int64(80*gib)
			l.registry.Observe(id, 1, noon(), &fleet.Sample{TakenAt: noon(), GPUs: []fleet.GPU{{MemoryUsedBytes: &n, MemoryTotalBytes: &total}}})
		}
		a, c := l.chooses(t, short)
		want := "free"
		if used["free"] > used["full"] {
			want = "full"
		}
		if c.to.Report.Target.HostID != want {
			t.Errorf("with %v in use it went to %s", used, c.to.Report.Target.HostID)
		}
		l.release(a, c, fleet.Counts{})
		used["full"], used["free"] = used["free"], used["full"]
	}
}
