package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// aging is a plugin whose configuration has another form from 2.0.0 on: a field has
// another name and unit, and a secret another name.
const aging = "aging"

type firstSettings struct {
	TimeoutSeconds int           `yaml:"timeout_seconds" help:"how long it may take"`
	Password       config.Secret `yaml:"password" help:"what the service asks for"`
}

type secondSettings struct {
	Timeout time.Duration `yaml:"timeout" help:"how long it may take"`
	Token   config.Secret `yaml:"token" help:"what the service asks for"`
}

func agingKind(version string) plugin.Kind {
	if strings.HasPrefix(version, "1.") {
		return plugin.Storage(func(ctx context.Context, s firstSettings) (storage.Backend, error) {
			return telling(ctx, time.Duration(s.TimeoutSeconds)*time.Second, s.Password)
		})
	}
	return plugin.Storage(func(ctx context.Context, s secondSettings) (storage.Backend, error) {
		return telling(ctx, s.Timeout, s.Token)
	}, plugin.Migrate(2, toSecond))
}

func toSecond(from int, config map[string]any, secrets map[string]string) error {
	if from < 2 {
		if seconds, ok := config["timeout_seconds"]; ok {
			if _, ok := seconds.(json.Number); !ok {
				return errors.New("timeout_seconds is no number")
			}
			config["timeout"] = fmt.Sprint(seconds, "s")
			delete(config, "timeout_seconds")
		}
		secrets["token"] = secrets["password"]
		delete(secrets, "password")
	}
	return nil
}

// telling is a storage that has what it was configured with.
func telling(ctx context.Context, timeout time.Duration, secret config.Secret) (storage.Backend, error) {
	b := memory.New(1 << 20)
	return b, errors.Join(b.Put(ctx, "timeout", storage.Bytes([]byte(timeout.String()))), b.Put(ctx, "secret", storage.Bytes([]byte(secret.Reveal()))))
}

// told returns what a storage was configured with, as it is in the process that runs.
func told(t *testing.T, i *Instance) string {
	t.Helper()
	var all []string
	for _, key := range []string{"timeout", "secret"} {
		in, err := i.Get(t.Context(), key, storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, " ")
}

func storedBy(version int) host.Configuration {
	if version == 1 {
		return host.Configuration{Version: 1, JSON: []byte(`{"timeout_seconds":90}`), Secrets: map[string]string{"password": "canary-5678"}}
	}
	return host.Configuration{Version: 2, JSON: []byte(`{"timeout":"90s"}`), Secrets: map[string]string{"token": "canary-5678"}}
}

// runs waits until a version of the plugin runs, and its storages are open in it.
func (f *fixture) runs(version string, all ...*Instance) {
	f.t.Helper()
	f.await(version+" runs", func() bool {
		for _, i := range all {
			if i.Status().State != Ready {
				return false
			}
		}
		s := f.status(aging)
		return s.State == Ready && s.Version == version
	})
}

func TestAConfigurationSurvivesUpgradeAndRollback(t *testing.T) {
	h := newHost(t)
	h.trust(aging, "1.0.0")
	h.run()
	i := h.Storage(Setup{Plugin: Storage(aging), Name: "main", Config: storedBy(1)})
	h.runs("1.0.0", i)
	if got := told(t, i); got != "1m30s canary-5678" {
		t.Fatalf("it is configured with %s", got)
	}
	h.trust(aging, "2.0.0")
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.runs("2.0.0", i)
	if got := told(t, i); got != "1m30s canary-5678" {
		t.Errorf("after the upgrade it is configured with %s", got)
	}
	now, err := h.Migrate(t.Context(), Storage(aging), storedBy(1))
	if diff := cmp.Diff(storedBy(2), now); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	// Faults are those of the present version.
	faults, err := h.Check(t.Context(), Storage(aging), host.Configuration{Version: 1, JSON: []byte(`{"timeout_seconds":1,"more":2}`)}, false)
	if err != nil || len(faults) != 1 || faults[0].Field != "more" {
		t.Errorf("%v, %v", faults, err)
	}
	faults, err = h.Check(t.Context(), Storage(aging), host.Configuration{Version: 1, JSON: []byte(`{"timeout_seconds":"1"}`)}, false)
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Message, "version 1 to 2: timeout_seconds is no number") {
		t.Errorf("%v, %v", faults, err)
	}
	if err := h.Rollback(Storage(aging)); err != nil {
		t.Fatal(err)
	}
	h.runs("1.0.0", i)
	if got := told(t, i); got != "1m30s canary-5678" {
		t.Errorf("after the rollback it is configured with %s", got)
	}
	if strings.Contains(h.log.String(), "canary-5678") {
		t.Error("the log has a secret")
	}
}

func TestAConfigurationOfANewerVersionIsRefused(t *testing.T) {
	h := newHost(t)
	h.trust(aging, "1.0.0")
	h.run()
	i := h.Storage(Setup{Plugin: Storage(aging), Name: "main", Config: storedBy(2)})
	const sentence = "saved for a newer version of the plugin"
	wants := func(what string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller || !strings.Contains(fault.MessageOf(err), sentence) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wants("open", i.Opened(t.Context()))
	_, err := h.Migrate(t.Context(), Storage(aging), storedBy(2))
	wants("migrate", err)
	faults, err := h.Check(t.Context(), Storage(aging), storedBy(2), true)
	if err != nil || len(faults) != 1 || faults[0].Field != "" || !strings.Contains(faults[0].Message, sentence) {
		t.Errorf("check: %v, %v", faults, err)
	}
	if s := i.Status(); s.State != Failed || !strings.Contains(s.Reason, sentence) {
		t.Errorf("%+v", s)
	}
	// The version that it was saved for takes it, and is not gone back from meanwhile.
	h.trust(aging, "2.0.0")
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.runs("2.0.0", i)
	if err := h.Rollback(Storage(aging)); err != nil {
		t.Fatal(err)
	}
	h.await("the rollback is refused", func() bool { s := h.status(aging); return s.State == Degraded && strings.Contains(s.Reason, sentence) })
	if got := told(t, i); got != "1m30s canary-5678" {
		t.Errorf("it is configured with %s", got)
	}
}
