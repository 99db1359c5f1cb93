package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestHelloProvesItsKey(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	nonce := bytes.Repeat([]byte{1}, wire.NonceSize)
	signed := func() *wire.Hello {
		h := &wire.Hello{Version: wire.Version, Token: "crt_example", RunID: "run-1"}
		h.Sign(key, nonce)
		return h
	}
	if !signed().Verify(nonce) {
		t.Fatal("a hello that was just signed is refused")
	}
	if signed().Verify(bytes.Repeat([]byte{2}, wire.NonceSize)) {
		t.Error("a hello passes for another handshake's nonce")
	}

	forged := map[string]func(*wire.Hello){
		"one that leaves":          func(h *wire.Hello) { h.Leave = true },
		"another token":            func(h *wire.Hello) { h.Token = "crt_other" },
		"no token":                 func(h *wire.Hello) { h.Token = "" },
		"another run":              func(h *wire.Hello) { h.RunID = "run-2" },
		"token and run shifted":    func(h *wire.Hello) { h.Token, h.RunID = "crt_examplerun", "-1" },
		"another key":              func(h *wire.Hello) { h.PublicKey = other.Public().(ed25519.PublicKey) },
		"a key that is cut off":    func(h *wire.Hello) { h.PublicKey = h.PublicKey[:31] },
		"no key":                   func(h *wire.Hello) { h.PublicKey = nil },
		"a signature with one bit": func(h *wire.Hello) { h.Signature[5] ^= 1 },
		"a cut-off signature":      func(h *wire.Hello) { h.Signature = h.Signature[:63] },
		"no signature":             func(h *wire.Hello) { h.Signature = nil },
	}
	for name, change := range forged {
		h := signed()
		change(h)
		if h.Verify(nonce) {
			t.Errorf("a hello with %s passes", name)
		}
	}
}

func TestHandshakeFramesFitTheirCap(t *testing.T) {
	frames := examples()
	for _, name := range []string{"challenge", "hello", "welcome", "reject"} {
		if size := len(wire.AppendFrame(nil, frames[name])); size > wire.MaxHandshakeFrame {
			t.Errorf("%s has %d bytes, the cap is %d", name, size, wire.MaxHandshakeFrame)
		}
	}
}
