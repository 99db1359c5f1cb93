package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// newKey makes a key that there is no other way to have in this fixture.
func (f *fixture) newKey(t *testing.T) (auth.Secret, fleet.Key) {
	t.Helper()
	secret, key, err := f.keys.Create(t.Context(), "laptop", fleet.RoleInference, 0)
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

// cookieOf returns the only cookie of an answer.
func cookieOf(t *testing.T, header http.Header) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %q", header.Values("Set-Cookie"))
	}
	return cookies[0]
}

func TestLogin(t *testing.T) {
	f := start(t, relaytest.NoModels)
	secret, key := f.newKey(t)
	link, err := auth.NewLinks(f.db, noon).Create(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]string{"key": secret.Reveal(), "link": link.Reveal()} {
		got := f.Do(0, "POST", "/api/login", `{"`+field+`":"`+value+`"}`, "Origin: "+f.URL)
		want := `{"name":"laptop","role":"inference","anonymous":false,"by":"session","expires_at":"2026-03-08T12:00:00Z","version":"1.2.3"}`
		if got.Status != 200 || got.Body != want || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s, want %s", field, got.Status, got.Header, got.Body, want)
		}
		cookie := cookieOf(t, got.Header)
		shape := http.Cookie{Name: "corral_session", Path: "/", MaxAge: 7 * 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode}
		shape.Value, shape.Raw = cookie.Value, cookie.Raw
		if diff := cmp.Diff(shape, *cookie); diff != "" || cookie.Value == "" {
			t.Errorf("%s: cookie (-want +got)\n%s", field, diff)
		}
	}
	got := f.Do(0, "POST", "/api/login", `{"link":"`+link.Reveal()+`"}`)
	if got.Status != 401 || !strings.Contains(got.Body, "used already") || got.Header.Values("Set-Cookie") != nil {
		t.Errorf("the link once more: %d %v %s", got.Status, got.Header, got.Body)
	}
}

func TestLoginRefusals(t *testing.T) {
	f := start(t, relaytest.NoModels)
	secret, _ := f.newKey(t)
	good := `{"key":"` + secret.Reveal() + `"}`
	either := errorOf(fault.Invalid, `one of the fields \"key\" and \"link\" is needed`)
	for _, c := range []struct {
		body, header string
		status       int
		want         string
	}{
		{``, "", 400, "empty"},
		{`{}`, "", 400, either},
		{`{"key":"","link":""}`, "", 400, either},
		{`{"key":"a","link":"b"}`, "", 400, either},
		{`{"key":7}`, "", 400, `the field \"key\" has to be a string`},
		{`{"key":"x"}`, "", 401, "unknown or revoked"},
		{`{"key":"crl_` + strings.Repeat("A", 43) + `"}`, "", 401, "unknown or revoked"},
		{`{"link":"x"}`, "", 401, "copied as a whole"},
		{`{"link":"crn_` + strings.Repeat("A", 43) + `"}`, "", 401, "not known here"},
		{`{"key":"` + strings.Repeat("x", maxLoginBytes) + `"}`, "", 413, "larger than"},
		{good, "Origin: https://evil.example", 403, "pages from"},
		{good, "Origin: http://localhost:8080", 403, "pages from"},
		{good, "Sec-Fetch-Site: cross-site", 403, "another site"},
		{good, "Content-Type: text/plain", 400, "application/json"},
	} {
		header := c.header
		if header == "" {
			header = "Accept: */*"
		}
		got := f.Do(0, "POST", "/api/login", c.body, header)
		if got.Status != c.status || !strings.Contains(got.Body, c.want) || got.Header.Values("Set-Cookie") != nil {
			t.Errorf("%.60s, %s: %d %v %s, want %d with %s", c.body, c.header, got.Status, got.Header, got.Body, c.status, c.want)
		}
	}
	// None of it keeps out who has a key.
	if got := f.Do(0, "POST", "/api/login", good); got.Status != 200 {
		t.Errorf("after all that: %d %s", got.Status, got.Body)
	}
}

func TestLogoutWithoutASession(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, body := range []string{"", "{}"} {
		got := f.Do(0, "POST", "/api/logout", body)
		cookie := cookieOf(t, got.Header)
		if got.Status != 200 || got.Body != "null" || cookie.Name != SessionCookie || cookie.Value != "" || cookie.MaxAge >= 0 || cookie.Path != "/" {
			t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
		}
	}
	if got := f.Do(0, "POST", "/api/logout", "", "Origin: https://evil.example"); got.Status != 403 || got.Header.Values("Set-Cookie") != nil {
		t.Errorf("from another site: %d %v", got.Status, got.Header)
	}
}

func TestTheCookieIsSecureOverTLS(t *testing.T) {
	for _, secure := range []bool{false, true} {
		resp, err := new(API).logout(t.Context(), &edge.Request{TLS: secure})
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range resp.Header {
			if field.Name == "Set-Cookie" && strings.HasSuffix(field.Value, "; Secure") != secure {
				t.Errorf("over TLS is %v: %s", secure, field.Value)
			}
		}
	}
}

func TestSession(t *testing.T) {
	f := start(t, relaytest.NoModels)
	roles := map[edge.Permission]fleet.Role{
		edge.Read: fleet.RoleViewer, edge.Infer: fleet.RoleInference, edge.Operate: fleet.RoleOperator, edge.Administer: fleet.RoleAdmin,
	}
	for _, may := range relaytest.Permissions() {
		want := `{"name":"` + may.String() + `","role":"` + string(roles[may]) + `","anonymous":false,"by":"key","expires_at":null,"version":"1.2.3"}`
		if got := f.Do(may, "GET", "/api/session", ""); got.Status != 200 || got.Body != want {
			t.Errorf("%d %s, want %s", got.Status, got.Body, want)
		}
	}
	if got := f.Do(0, "GET", "/api/session", ""); got.Status != 401 {
		t.Errorf("nobody: %d %s", got.Status, got.Body)
	}

	expires := noon().Add(auth.SessionTTL)
	for want, caller := range map[Session]edge.Caller{
		{Name: "anonymous", Role: fleet.RoleOperator, Anonymous: true, By: "anonymous", Version: "1.2.3"}: {Name: "anonymous", May: edge.Operate, Anonymous: true},
		{Name: "laptop", Role: fleet.RoleViewer, By: "session", Version: "1.2.3", ExpiresAt: &expires}:    {Name: "laptop", May: edge.Read, Expires: expires.Local()},
	} {
		resp, err := f.api.session(t.Context(), &edge.Request{Caller: caller})
		if err != nil {
			t.Fatal(err)
		}
		var got Session
		if err := json.Unmarshal(resp.Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
