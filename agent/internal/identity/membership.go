package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Membership is what an agent learnt when it joined.
type Membership struct {
	HostID         string   // opaque; the control plane's name for this host
	Name           string   // what people call it
	CACertificates []byte   // PEM; who may vouch for the control plane; empty where it has no authority of its own
	Servers        []string // URLs at which the control plane was looked for
}

// record is a membership as it is stored, with the key that it was given to.
type record struct {
	HostID         string   `json:"host_id"`
	Name           string   `json:"name"`
	CACertificates string   `json:"ca_certificates"`
	Servers        []string `json:"servers,omitempty"`
	PublicKey      []byte   `json:"public_key"`
}

func newRecord(m Membership, key ed25519.PublicKey) *record {
	return &record{HostID: m.HostID, Name: m.Name, CACertificates: string(m.CACertificates), Servers: slices.Clone(m.Servers), PublicKey: key}
}

func (r *record) equal(other *record) bool {
	return r.HostID == other.HostID && r.Name == other.Name &&
		r.CACertificates == other.CACertificates && slices.Equal(r.Servers, other.Servers) && bytes.Equal(r.PublicKey, other.PublicKey)
}

// check returns what makes a record one that no agent can have been given.
func (r *record) check() error {
	if r.HostID == "" {
		return errors.New("it names no host")
	}
	if len(r.PublicKey) != ed25519.PublicKeySize {
		return errors.New("it names no key")
	}
	for rest := bytes.TrimSpace([]byte(r.CACertificates)); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return errors.New("its certificates are not in PEM form")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return err
		}
	}
	return nil
}

// loadRecord reads a record, nil where there is none. What a newer agent wrote
// beside the fields known here is ignored.
func loadRecord(path string) (*record, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskFault(err, "%s cannot be read", path)
	}
	var r record
	err = json.Unmarshal(text, &r)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "%s is damaged; restore it from a backup, "+
			"or remove it to join again as the same host", path).On(fault.Host)
	}
	return &r, nil
}

// Joined reports whether the agent has joined a control plane.
func (id *Identity) Joined() bool {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.joined != nil
}

// Membership returns what the agent learnt when it joined; the zero value
// before. The certificates are the caller's to keep.
func (id *Identity) Membership() Membership {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.joined == nil {
		return Membership{}
	}
	return id.joined.membership()
}

func (r *record) membership() Membership {
	return Membership{
		HostID: r.HostID, Name: r.Name, CACertificates: []byte(r.CACertificates), Servers: slices.Clone(r.Servers),
	}
}

// SaveJoined stores what the agent learnt, in place of what was stored before,
// and returns when it would survive a power cut. Saving the same again writes
// nothing. A membership without a host id, or with certificates that cannot be
// read, is fault.Invalid and leaves what was stored.
func (id *Identity) SaveJoined(m Membership) error {
	r := newRecord(m, id.PublicKey())
	if err := r.check(); err != nil {
		return fault.Wrap(fault.Invalid, err, "the control plane's answer to joining cannot be kept")
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.joined != nil && id.joined.equal(r) {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", joinedFile, err)
	}
	if err := writeFile(id.path(joinedFile), append(text, '\n')); err != nil {
		return diskFault(err, "%s cannot be written", id.path(joinedFile))
	}
	id.joined = r
	return nil
}

// Leave forgets what the agent learnt when it joined, and keeps its key.
// Leaving twice is not an error.
func (id *Identity) Leave() error {
	id.mu.Lock()
	defer id.mu.Unlock()
	err := removeIfThere(id.path(joinedFile))
	if err == nil {
		err = syncDir(id.dir)
	}
	if err != nil {
		return diskFault(err, "%s cannot be removed", id.path(joinedFile))
	}
	id.joined = nil
	return nil
}

// Authorities returns the certificates of the authorities that were pinned.
func (m Membership) Authorities() []*x509.Certificate {
	var list []*x509.Certificate
	for rest := m.CACertificates; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			list = append(list, cert)
		}
	}
}
