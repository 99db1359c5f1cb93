package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestConfig(t *testing.T) {
	f := start(t, relaytest.NoModels)
	type appConfig struct {
		Server struct {
			Port    int `json:"port"`
			Timeout int `json:"timeout"`
		} `json:"server"`
		Security struct {
			JWTSecret string `json:"jwt_secret"`
		} `json:"security"`
	}
	get := func() (app appConfig) {
		t.Helper()
		got := f.Do(edge.Read, "GET", "/api/config", "")
		if err := json.Unmarshal([]byte(got.Body), &app); err != nil || got.Status != 200 {
			t.Fatalf("%d %v: %s", got.Status, err, got.Body)
		}
		return app
	}
	if app := get(); app.Server.Port != 11435 || app.Security.JWTSecret != "***" {
		t.Errorf("%+v", app)
	}
	got := f.Do(edge.Administer, "POST", "/api/config", `{"server":{"timeout":40,"port":8080}}`)
	if got.Status != 200 || got.Body != "null" || got.Header.Get(restartField) != "server.port" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
	if app := get(); app.Server.Timeout != 40 || app.Server.Port != 8080 {
		t.Errorf("%+v", app)
	}
	if got := f.Do(edge.Read, "GET", "/api/config", ""); got.Header.Get(restartField) != "server.port" {
		t.Errorf("what waits for a restart: %v", got.Header)
	}
	for body, want := range map[string]struct {
		status int
		names  string
	}{
		`{"server":{"timeout":"x"}}`:       {400, "server.timeout"},
		`{"server":{"nope":1}}`:            {400, "server.nope"},
		`{"server":{"timeout":1.5}}`:       {400, "server.timeout"},
		`[]`:                               {400, "list"},
		`{`:                                {400, "JSON"},
		`{"server":{"log_level":"debug"}}`: {409, "server.log_level"},
	} {
		if got := f.Do(edge.Administer, "POST", "/api/config", body); got.Status != want.status || !strings.Contains(got.Body, want.names) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
}

func TestKeys(t *testing.T) {
	f := start(t, relaytest.NoModels)
	if got := f.Do(edge.Administer, "GET", "/api/keys", ""); got.Status != 200 || got.Body != "[]" {
		t.Errorf("no keys: %d %s", got.Status, got.Body)
	}
	got := f.Do(edge.Administer, "POST", "/api/keys", `{"name":"ci","role":"viewer","priority":-2}`)
	var made struct {
		fleet.Key
		Secret string `json:"key"`
	}
	if err := json.Unmarshal([]byte(got.Body), &made); err != nil || got.Status != 201 || !strings.HasPrefix(made.Secret, "crl_") || made.Role != fleet.RoleViewer {
		t.Fatalf("%d %v: %s", got.Status, err, got.Body)
	}
	want := fmt.Sprintf(`[{"id":%q,"name":"ci","role":"viewer","priority":-2,"hint":%q,"created_at":"2026-03-01T12:00:00Z"}]`, made.ID, made.Secret[:10])
	if got := f.Do(edge.Administer, "GET", "/api/keys", ""); got.Body != want {
		t.Errorf("%s, want %s", got.Body, want)
	}
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"name":"ci","role":"viewer"}`:             {409, "ci"},
		`{"name":"x","role":"root"}`:                {400, "root"},
		`{"name":"x"}`:                              {400, `\"role\"`},
		`{"role":"viewer"}`:                         {400, `\"name\"`},
		`{"name":1}`:                                {400, `\"name\"`},
		`{"name":"x","role":"viewer","priority":3}`: {400, "-2 to 2"},
		``: {400, "empty"},
	} {
		if got := f.Do(edge.Administer, "POST", "/api/keys", body); got.Status != want.status || !strings.Contains(got.Body, want.says) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"priority":0}`:   {200, `"priority":0`},
		`{"priority":2}`:   {200, `"priority":2`},
		`{"priority":-3}`:  {400, "-2 to 2"},
		`{"priority":1.5}`: {400, `\"priority\"`},
		`{}`:               {400, `\"priority\"`},
	} {
		if got := f.Do(edge.Administer, "PATCH", "/api/keys/"+made.ID, body); got.Status != want.status || !strings.Contains(got.Body, want.says) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	if got := f.Do(edge.Administer, "PATCH", "/api/keys/nope", `{"priority":1}`); got.Status != 404 {
		t.Errorf("an unknown key: %d", got.Status)
	}
	if got := f.Do(edge.Administer, "DELETE", "/api/keys/"+made.ID, ""); got.Status != 204 || got.Body != "" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Administer, "GET", "/api/keys", ""); !strings.Contains(got.Body, `"revoked_at":"2026-03-01T12:00:00Z"`) {
		t.Errorf("after revoking: %s", got.Body)
	}
	if got := f.Do(edge.Administer, "DELETE", "/api/keys/nope", ""); got.Status != 404 {
		t.Errorf("an unknown key: %d", got.Status)
	}
}

func TestTokens(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for body, want := range map[string]struct {
		uses int
		ttl  time.Duration
	}{
		"":   {1, time.Hour},
		"{}": {1, time.Hour},
		`{"ttl_seconds":60,"uses":3,"labels":{"zone":"a"}}`: {3, time.Minute},
	} {
		got := f.Do(edge.Operate, "POST", "/api/tokens", body)
		var made struct {
			fleet.Token
			Secret string `json:"token"`
		}
		if err := json.Unmarshal([]byte(got.Body), &made); err != nil || got.Status != 201 {
			t.Fatalf("%d %v: %s", got.Status, err, got.Body)
		}
		if _, err := wire.ParseJoinToken(made.Secret); err != nil || made.UsesLeft != want.uses || !made.ExpiresAt.Equal(noon().Add(want.ttl)) {
			t.Errorf("%s: %v %s", body, err, got.Body)
		}
	}
	var listed []fleet.Token
	got := f.Do(edge.Administer, "GET", "/api/tokens", "")
	if err := json.Unmarshal([]byte(got.Body), &listed); err != nil || got.Status != 200 || len(listed) != 3 || strings.Contains(got.Body, "crt_") {
		t.Fatalf("%d %v: %s", got.Status, err, got.Body)
	}
	for _, token := range listed {
		if got := f.Do(edge.Administer, "DELETE", "/api/tokens/"+token.ID, ""); got.Status != 204 {
			t.Errorf("revoke %s: %d %s", token.ID, got.Status, got.Body)
		}
	}
	if got := f.Do(edge.Administer, "GET", "/api/tokens", ""); got.Body != "[]" {
		t.Errorf("after revoking all: %s", got.Body)
	}
	if got := f.Do(edge.Administer, "DELETE", "/api/tokens/nope", ""); got.Status != 404 {
		t.Errorf("an unknown token: %d", got.Status)
	}
	if got := f.Do(edge.Operate, "POST", "/api/tokens", `{"approve":true}`); got.Status != 201 || !strings.Contains(got.Body, `"approve":true`) {
		t.Errorf("with approval: %d %s", got.Status, got.Body)
	}
	for body, says := range map[string]string{
		`{"ttl_seconds":"1h"}`: `\"ttl_seconds\"`, `{"ttl_seconds":0}`: `\"ttl_seconds\"`, `{"ttl_seconds":99999999999999}`: `\"ttl_seconds\"`,
		`{"ttl_seconds":1.5}`: `an integer`, `{"uses":0}`: "uses", `{"uses":true}`: `\"uses\"`, `{"labels":{"a b":"c"}}`: "label",
	} {
		if got := f.Do(edge.Operate, "POST", "/api/tokens", body); got.Status != 400 || !strings.Contains(got.Body, says) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
}
