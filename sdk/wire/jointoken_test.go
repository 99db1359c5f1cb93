package wire_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestJoinTokenRoundTrip(t *testing.T) {
	authority := &x509.Certificate{Raw: []byte("a certificate")}
	token := wire.NewJoinToken(authority)
	got, err := wire.ParseJoinToken(" " + token.Reveal() + "\n") // as copied from a terminal
	if err != nil {
		t.Fatal(err)
	}
	if got != token {
		t.Error("another token after a round trip")
	}
	if !bytes.Equal(got.Hash(), token.Hash()) {
		t.Error("another hash after a round trip")
	}
	if !got.Names(authority) {
		t.Error("the token does not name the authority that it was made for")
	}
	if got.Names(&x509.Certificate{Raw: []byte("another certificate")}) {
		t.Error("the token names an authority that it was not made for")
	}
}

func TestJoinTokensDiffer(t *testing.T) {
	authority := &x509.Certificate{Raw: []byte("a certificate")}
	a, b := wire.NewJoinToken(authority), wire.NewJoinToken(authority)
	if a.Reveal() == b.Reveal() || bytes.Equal(a.Hash(), b.Hash()) {
		t.Error("two tokens share their secret")
	}
}

func TestJoinTokenCutOff(t *testing.T) {
	whole := wire.NewJoinToken(&x509.Certificate{}).Reveal()
	for n := range len(whole) {
		refuseJoinToken(t, whole[:n])
	}
	refuseJoinToken(t, whole+"A")
	refuseJoinToken(t, whole[1:])
	refuseJoinToken(t, "crl_"+strings.TrimPrefix(whole, "crt_"))
	refuseJoinToken(t, whole[:20]+" "+whole[21:])
	refuseJoinToken(t, whole[:20]+"+"+whole[21:])
}

// refuseJoinToken also sees to it that the refusal shows nothing of what was typed.
func refuseJoinToken(t *testing.T, s string) {
	t.Helper()
	_, err := wire.ParseJoinToken(s)
	if err == nil {
		t.Errorf("ParseJoinToken takes %q", s)
		return
	}
	if len(s) > 8 && strings.Contains(err.Error(), s[4:]) {
		t.Errorf("the refusal shows the token: %v", err)
	}
}

func TestJoinTokenIsNeverPrinted(t *testing.T) {
	token := wire.NewJoinToken(&x509.Certificate{Raw: []byte("a certificate")})
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token.Reveal(), "crt_"))
	if err != nil {
		t.Fatal(err)
	}
	secret := raw[:16]
	forms := map[string]string{
		"the token":       token.Reveal()[4:24],
		"hexadecimal":     fmt.Sprintf("%x", secret),
		"HEXADECIMAL":     fmt.Sprintf("%X", secret),
		"decimal":         strings.Trim(fmt.Sprintf("%d", secret), "[]"),
		"quoted":          strings.Trim(fmt.Sprintf("%q", secret), `"`),
		"Go syntax":       strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}"),
		"as it is stored": string(secret),
	}
	holder := struct{ Token wire.JoinToken }{token}
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		printed[verb] = fmt.Sprintf(verb, token)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &token)
		printed[verb+" of a field"] = fmt.Sprintf(verb, holder)
	}
	printed["an error"] = fmt.Errorf("join with %v: refused", token).Error()
	inJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	printed["JSON"] = string(inJSON)
	for how, text := range printed {
		for form, part := range forms {
			if strings.Contains(text, part) {
				t.Errorf("%s shows the secret (%s)", how, form)
			}
		}
	}
	if got := token.String(); got != "crt_[redacted]" {
		t.Errorf("String() = %q", got)
	}
}

func FuzzParseJoinToken(f *testing.F) {
	f.Add(wire.NewJoinToken(&x509.Certificate{}).Reveal())
	f.Add("crt_")
	f.Add("crl_AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := wire.ParseJoinToken(s)
		if err != nil {
			return
		}
		again, err := wire.ParseJoinToken(token.Reveal())
		if err != nil || again != token {
			t.Errorf("%q is taken and does not survive a round trip: %v", s, err)
		}
	})
}
