package plugins

import (
	"errors"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestSecretsAreTakenOutOfTexts(t *testing.T) {
	r := newRedactor()
	r.add(map[string]string{
		"password": "s3cret/+\"x", "longer": "s3cret/+\"x-and-more", "short": "abc",
		"key": "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----\n",
	})
	for text, want := range map[string]string{
		`it is s3cret/+"x, twice s3cret/+"x`:    `it is [redacted], twice [redacted]`,
		`the longer s3cret/+"x-and-more is out`: `the longer [redacted] is out`,
		`{"password":"s3cret/+\"x"}`:            `{"password":"[redacted]"}`,
		`?password=s3cret%2F%2B%22x&y=1`:        `?password=[redacted]&y=1`,
		`a line MIIEvQIBADANBgkqhkiG9w0 of it`:  `a line [redacted] of it`,
		`abc is too short to be one`:            `abc is too short to be one`,
		`nothing`:                               `nothing`,
	} {
		if got := r.text(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
	cut := strings.Repeat("x", 10<<10) + "s3cret/"
	if got := r.line(cut); strings.Contains(got, "s3cret") {
		t.Errorf("a line that was cut ends with %q", got[len(got)-20:])
	}
	r.remove(map[string]string{"password": "s3cret/+\"x"})
	if got := r.text(`s3cret/+"x`); got != `s3cret/+"x` {
		t.Errorf("what is no secret any more became %s", got)
	}
}

func TestSecretsOfChecksAreForgottenInTime(t *testing.T) {
	r := newRedactor()
	r.addForAWhile(map[string]string{"password": "the first one"})
	if got := r.text("the first one"); got != redacted {
		t.Errorf("%s", got)
	}
	for range recentChecks {
		r.addForAWhile(map[string]string{"password": "a later one"})
	}
	if got := r.text("the first one, a later one"); got != "the first one, "+redacted {
		t.Errorf("%s", got)
	}
}

func TestSecretsAreTakenOutOfErrors(t *testing.T) {
	r := newRedactor()
	r.add(map[string]string{"password": "canary"})
	err := fault.Wrap(fault.Unauthenticated, errors.New("login canary failed"), "the password canary is wrong").On(fault.Service)
	clean := r.error(err)
	if fault.KindOf(clean) != fault.Unauthenticated || fault.SideOf(clean) != fault.Service || clean.Error() != "the password [redacted] is wrong: login [redacted] failed" {
		t.Errorf("%#v", clean)
	}
	harmless := fault.New(fault.NotFound, "nothing").On(fault.Plugin)
	if got := r.error(harmless); !errors.Is(got, harmless) || r.error(nil) != nil {
		t.Errorf("%v", got)
	}
}
