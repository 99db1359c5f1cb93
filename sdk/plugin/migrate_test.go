package plugin

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
)

func TestMigratingChangesWhatItSaysAndNothingElse(t *testing.T) {
	v := versionsOf([]Option{Migrate(3, func(from int, config map[string]any, secrets map[string]string) error {
		if from < 2 {
			secrets["login.token"], secrets["user"] = secrets["password"], secrets["account"]
			delete(secrets, "password")
			delete(secrets, "account")
		}
		if from < 3 {
			config["limits"] = map[string]any{"bytes": config["max_bytes"]}
			delete(config, "max_bytes")
		}
		return nil
	})})
	stored := pluginrpc.Configuration{Version: 1, JSON: []byte(`{"max_bytes":12345678901234567890,"name":"a"}`), Secrets: map[string]string{"password": "p"}}
	want := pluginrpc.Configuration{Version: 3, JSON: []byte(`{"limits":{"bytes":12345678901234567890},"name":"a"}`), Secrets: map[string]string{"login.token": "p"}}
	for range 2 { // what is stored is left as it is
		got, err := v.migrate(stored)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	// What is of the present version, as far as anybody says, is left alone.
	for _, version := range []int{0, 3} {
		now := pluginrpc.Configuration{Version: version, JSON: []byte(`{"max_bytes":1}`)}
		got, err := v.migrate(now)
		if now.Version = 3; err != nil || !cmp.Equal(now, got) {
			t.Errorf("of version %d it is %+v, %v", version, got, err)
		}
	}
}

func TestWhatCannotBeMigratedSaysWhy(t *testing.T) {
	v := versionsOf([]Option{Migrate(2, func(int, map[string]any, map[string]string) error { return errors.New("there is no like of it") })})
	for body, want := range map[string]string{`{}`: "from version 1 to 2: there is no like of it", `null`: "JSON object", `[1]`: "JSON object", `{`: "JSON object"} {
		_, err := v.migrate(pluginrpc.Configuration{Version: 1, JSON: []byte(body)})
		if fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller || !strings.Contains(fault.MessageOf(err), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
