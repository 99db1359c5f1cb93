package settings_test

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// FuzzPatch sends bodies from strangers: each is refused as the caller's
// mistake with nothing changed, or leaves settings that are valid, that keep a
// secret, that let nobody in unasked, and that a restart finds again.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"server":{"port":1}}`, `{"server":{"port":11435,"cors_origins":["*"]}}`, `{"security":{"jwt_secret":""}}`,
		`{"security":{"jwt_secret":"***","api_key_required":false,"allowed_ips":["10.0.0.0/8"]}}`, `{"security":{"api_key_required":false}}`,
		`{"models":{"max_model_size":1e3,"cache_size":9223372036854775807}}`, `{"server":{"host":"::1","log_level":"trace"}}`,
		`{"security":{"jwt_secret":"\ud800aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}`, `{"security":{"allowed_ips":["::ffff:0:0/96","1.2.3.4/0"]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		store := &memory{}
		base := settings.Loaded{Config: settings.Default()}
		m := settings.New(base, store)
		if err := m.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := m.Current()
		change, err := m.Patch(t.Context(), body)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || fault.MessageOf(err) == "" {
				t.Errorf("%q: %v is not the caller's mistake", body, err)
			}
			if m.Current() != before {
				t.Errorf("%q was refused and changed something", body)
			}
			return
		}
		after := *m.Current()
		if !after.Security.APIKeyRequired && len(after.Security.AllowedIPs) == 0 {
			t.Errorf("%q opened the server", body)
		}
		if len(after.Security.JWTSecret.Reveal()) < 32 {
			t.Errorf("%q left a secret of %d bytes", body, len(after.Security.JWTSecret.Reveal()))
		}
		if changed := config.Changed(before, &after); len(changed) != len(change.Fields) {
			t.Errorf("%q changed %v and says %v", body, changed, change.Fields)
		}
		again := settings.New(base, store)
		if err := again.Load(t.Context()); err != nil {
			t.Fatalf("after %q a restart fails: %v", body, err)
		}
		if lost := config.Changed(&after, again.Current()); lost != nil {
			t.Errorf("after %q a restart loses %v", body, lost)
		}
	})
}
