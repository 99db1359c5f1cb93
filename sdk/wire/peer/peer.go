// Package peer is how hosts get models from each other: the address of a blob, and the
// ticket without which a host serves none.
//
// A host that serves is asked over TLS by GET or HEAD of [Path] and the sha256 of a blob in
// hexadecimal, with a ticket as the parameter [TicketParameter]. It proves the key that it
// is known by, and who asks has a certificate by the key of the host that asks. The
// ticket, which the control plane signs, names both hosts and the blob.
package peer

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Path is where a host serves blobs; the sha256 of one follows.
const Path = "/peer/v1/blobs/"

// TicketParameter has the ticket in an address.
const TicketParameter = "ticket"

// Ticket lets one host read one blob of another one for a while.
type Ticket struct {
	Host    string `json:"host"`    // the id of the host that serves
	Reader  []byte `json:"reader"`  // the key of the host that reads, Ed25519
	SHA256  string `json:"sha256"`  // of the blob, in hexadecimal
	Expires int64  `json:"expires"` // in seconds since 1970
}

// purpose stands before what is signed, so that it can't be taken for anything else.
const purpose = "corral peer ticket v1\n"

// Sign returns the ticket as text, signed by a control plane's key.
func (t *Ticket) Sign(key ed25519.PrivateKey) string {
	claims, err := json.Marshal(t)
	if err != nil {
		panic(err) // it is of strings, bytes and a number
	}
	return base64.RawURLEncoding.EncodeToString(append(ed25519.Sign(key, append([]byte(purpose), claims...)), claims...))
}

// URL returns the address of the ticket's blob at a host's address, host:port.
func (t *Ticket) URL(address string, key ed25519.PrivateKey) string {
	u := url.URL{Scheme: "https", Host: address, Path: Path + t.SHA256, RawQuery: url.Values{TicketParameter: {t.Sign(key)}}.Encode()}
	return u.String()
}

// Open returns the ticket that a text is, where this key signed it. All others are
// fault.Forbidden.
func Open(text string, key ed25519.PublicKey) (*Ticket, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize || len(raw) < ed25519.SignatureSize {
		return nil, fault.New(fault.Forbidden, "this is no ticket").On(fault.Caller)
	}
	signature, claims := raw[:ed25519.SignatureSize], raw[ed25519.SignatureSize:]
	if !ed25519.Verify(key, append([]byte(purpose), claims...), signature) {
		return nil, fault.New(fault.Forbidden, "the ticket is not by this host's control plane, or from before its last start").On(fault.Caller)
	}
	var t Ticket
	if err := json.Unmarshal(claims, &t); err != nil {
		return nil, fault.Wrap(fault.Forbidden, err, "the ticket can't be read").On(fault.Caller)
	}
	return &t, nil
}

// Check says why a host with this id doesn't serve this blob for the ticket now:
// fault.Forbidden.
func (t *Ticket) Check(host, sha256 string, now time.Time) error {
	switch {
	case t.Host != host:
		return fault.New(fault.Forbidden, "the ticket is for another host").On(fault.Caller)
	case t.SHA256 != sha256:
		return fault.New(fault.Forbidden, "the ticket is for another blob").On(fault.Caller)
	case now.Unix() >= t.Expires:
		return fault.New(fault.Forbidden, "the ticket was good until %s", time.Unix(t.Expires, 0).UTC().Format(time.RFC3339)).On(fault.Caller)
	case len(t.Reader) != ed25519.PublicKeySize:
		return fault.New(fault.Forbidden, "the ticket is for nobody").On(fault.Caller)
	}
	return nil
}
