package controlplane

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
)

func TestTheLogTellsOfCaptures(t *testing.T) {
	db, err := sqlite.OpenState(t.Context(), t.TempDir(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	var log bytes.Buffer
	follow := func(on bool) *settings.Manager {
		cfg := settings.Default()
		cfg.App.Monitoring.Captures = on
		manager := settings.New(settings.Loaded{Config: cfg}, db)
		tellOfCaptures(manager, hclog.New(&hclog.LoggerOptions{Output: &log}))
		return manager
	}
	told := func(want string) {
		t.Helper()
		if got := log.String(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("the log says %q, want %q", got, want)
		}
		log.Reset()
	}
	manager := follow(false)
	told("")
	for _, c := range []struct {
		patch, says string
		on          bool
	}{
		{`{"monitoring":{"captures":true}}`, "captures are on", true},
		{`{"monitoring":{"log_retention":3}}`, "", true},
		{`{"monitoring":{"captures":false}}`, "captures are off", false},
	} {
		if _, err := manager.Patch(t.Context(), []byte(c.patch)); err != nil {
			t.Fatal(err)
		}
		told(c.says)
		if got := capturesOf(manager)(); got != c.on {
			t.Errorf("after %s captures are on: %v", c.patch, got)
		}
	}
	follow(true) // from its start
	told("captures are on")
}
