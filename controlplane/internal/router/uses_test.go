package router

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhenAModelWasAtWork(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", tiny())
	l.join("h2", tiny())
	wants := func(want map[string]time.Time) {
		t.Helper()
		if diff := cmp.Diff(want, l.Uses("d1")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	wants(nil)
	began := l.now
	answer := l.ask(t, "tiny")
	l.now = l.now.Add(time.Hour)
	host := answer.Target.HostID
	wants(map[string]time.Time{host: began.Add(time.Hour)}) // it is at work
	answer.Body.Close()
	l.now = l.now.Add(time.Hour)
	wants(map[string]time.Time{host: began.Add(time.Hour)})
	if got := l.Uses("d2"); len(got) > 0 {
		t.Errorf("one that nobody asked for was at work: %v", got)
	}
}
