package models

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// FilePath is where hosts fetch files of models; the name of the storage follows.
// ProgramPath is where they fetch programs of plugins, whose digest follows.
const (
	FilePath    = "/agent/v1/files/"
	ProgramPath = "/agent/v1/plugins/"
)

// ticketTTL is how long a file may be fetched with one address. A large file over a slow
// line takes hours, and a job that lasts longer is given a new one.
const ticketTTL = 24 * time.Hour

// Tickets let hosts read single files of storages, and programs of plugins, without a key.
// They are of one run of the program, as the jobs are that they are made for, and good as
// long as the host is one of the fleet's. Its methods may be called concurrently.
type Tickets struct {
	key    [sha256.Size]byte
	joined func(hostID string) bool
	now    func() time.Time
}

// NewTickets returns tickets with a secret of their own, for hosts that have joined.
func NewTickets(joined func(hostID string) bool, now func() time.Time) *Tickets {
	t := &Tickets{joined: joined, now: now}
	rand.Read(t.key[:]) // which never fails
	return t
}

// File returns a path and a query by which a host can read a file for a while.
func (t *Tickets) File(hostID, storage, key string) string {
	return t.url(FilePath, storage, url.Values{"host": {hostID}, "path": {key}})
}

// CheckFile returns nil where a query has a ticket for a file that is good now, and
// fault.NotFound otherwise.
func (t *Tickets) CheckFile(storage string, query url.Values) error {
	return t.check(FilePath, storage, query)
}

// Program returns a path and a query by which a host can read the program of a plugin.
func (t *Tickets) Program(hostID, sha256 string) string {
	return t.url(ProgramPath, sha256, url.Values{"host": {hostID}})
}

// CheckProgram is CheckFile for the program of a plugin.
func (t *Tickets) CheckProgram(sha256 string, query url.Values) error {
	return t.check(ProgramPath, sha256, query)
}

func (t *Tickets) url(path, name string, query url.Values) string {
	expires := t.now().Add(ticketTTL).Unix()
	query.Set("expires", strconv.FormatInt(expires, 10))
	query.Set("signature", t.sign(expires, path, name, query.Get("path"), query.Get("host")))
	return path + url.PathEscape(name) + "?" + query.Encode()
}

func (t *Tickets) check(path, name string, query url.Values) error {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	if err != nil || !hmac.Equal([]byte(query.Get("signature")), []byte(t.sign(expires, path, name, query.Get("path"), query.Get("host")))) {
		return fault.New(fault.NotFound, "this address is none that was given to a host").On(fault.Caller)
	}
	if !t.joined(query.Get("host")) {
		return fault.New(fault.NotFound, "this address was given to a host that was removed").On(fault.Caller)
	}
	if t.now().Unix() >= expires {
		return fault.New(fault.NotFound, "this address was good until %s", time.Unix(expires, 0).UTC().Format(time.RFC3339)).On(fault.Caller)
	}
	return nil
}

// sign returns the proof that we gave an address. Each part is signed behind its length,
// so that none can be taken for a part of another.
func (t *Tickets) sign(expires int64, parts ...string) string {
	mac := hmac.New(sha256.New, t.key[:])
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(expires)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
