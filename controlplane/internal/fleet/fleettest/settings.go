package fleettest

import (
	"sync"
	"testing"
)

func settingsSentences() []sentence {
	return []sentence{
		{"Nil when there are none", func(t *testing.T, s Stores) {
			if saved := got(s.Settings.LoadSettings(t.Context()))(t); saved != nil {
				t.Errorf("settings are %q, want nil", saved)
			}
		}},
		{"The last saved ones come back", func(t *testing.T, s Stores) {
			for _, json := range []string{`{"a": 1}`, `{"b":2}`} {
				must(t, s.Settings.SaveSettings(t.Context(), []byte(json)))
				wantEqual(t, string(got(s.Settings.LoadSettings(t.Context()))(t)), json)
			}
		}},
	}
}

func counterSentences() []sentence {
	return []sentence{
		{"None at first", func(t *testing.T, s Stores) {
			wantEqual(t, len(got(s.Counters.Counters(t.Context()))(t)), 0)
		}},
		{"Every counter by its name", func(t *testing.T, s Stores) {
			must(t, s.Counters.AddToCounters(t.Context(), map[string]int64{"requests": 2, "tokens": 1 << 40}))
			must(t, s.Counters.AddToCounters(t.Context(), map[string]int64{"requests": 3, "errors": -1}))
			wantEqual(t, got(s.Counters.Counters(t.Context()))(t), map[string]int64{"requests": 5, "tokens": 1 << 40, "errors": -1})
		}},
		{"Adding at once loses nothing", func(t *testing.T, s Stores) {
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					for range 5 {
						if err := s.Counters.AddToCounters(t.Context(), map[string]int64{"a": 1, "b": 2}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			callers.Wait()
			wantEqual(t, got(s.Counters.Counters(t.Context()))(t), map[string]int64{"a": 100, "b": 200})
		}},
	}
}
