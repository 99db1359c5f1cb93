package peer_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/peer"
)

func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func key(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func ticket() *peer.Ticket {
	return &peer.Ticket{Host: "h_1", Reader: []byte(strings.Repeat("k", ed25519.PublicKeySize)), SHA256: strings.Repeat("ab", 32), Expires: noon().Add(time.Hour).Unix()}
}

func TestATicketIsWhatWasSigned(t *testing.T) {
	public, private := key(t)
	u, err := url.Parse(ticket().URL("[::1]:7000", private))
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "https" || u.Host != "[::1]:7000" || u.Path != peer.Path+strings.Repeat("ab", 32) {
		t.Errorf("the address is %s://%s%s", u.Scheme, u.Host, u.Path)
	}
	got, err := peer.Open(u.Query().Get(peer.TicketParameter), public)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ticket(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := got.Check("h_1", ticket().SHA256, noon()); err != nil {
		t.Error(err)
	}
}

func TestNoOtherTicketIsTaken(t *testing.T) {
	public, private := key(t)
	others, _ := key(t)
	good := ticket().Sign(private)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for at := range raw { // each byte counts
		raw[at] ^= 1
		if _, err := peer.Open(base64.RawURLEncoding.EncodeToString(raw), public); fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("with another byte %d: %v", at, err)
		}
		raw[at] ^= 1
	}
	for _, text := range []string{"", "x", good[:40], good + "!", strings.Repeat("A", 100)} {
		if _, err := peer.Open(text, public); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, by := range []ed25519.PublicKey{others, nil, {}} {
		if _, err := peer.Open(good, by); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("by another key: %v", err)
		}
	}
}

func TestATicketIsForOneBlobOfOneHostForAWhile(t *testing.T) {
	sha := ticket().SHA256
	nobodys := ticket()
	nobodys.Reader = nil
	for name, err := range map[string]error{
		"host":   ticket().Check("h_2", sha, noon()),
		"blob":   ticket().Check("h_1", strings.Repeat("cd", 32), noon()),
		"time":   ticket().Check("h_1", sha, noon().Add(time.Hour)),
		"reader": nobodys.Check("h_1", sha, noon()),
	} {
		if fault.KindOf(err) != fault.Forbidden {
			t.Errorf("another %s: %v", name, err)
		}
	}
}
