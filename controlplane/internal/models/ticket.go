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
const FilePath = "/agent/v1/files/"

// ticketTTL is how long a file may be fetched with one address. A large file over a slow
// line takes hours, and a job that lasts longer is given a new one.
const ticketTTL = 24 * time.Hour

// Tickets let hosts read single files of storages, whoever they are and without a key.
// They are of one run of the program, as the jobs are that they are made for. Its methods
// may be called concurrently.
type Tickets struct {
	key [sha256.Size]byte
	now func() time.Time
}

// NewTickets returns tickets with a secret of their own.
func NewTickets(now func() time.Time) *Tickets {
	t := &Tickets{now: now}
	rand.Read(t.key[:]) // which never fails
	return t
}

// URL returns a path and a query by which a file can be read for a while.
func (t *Tickets) URL(storage, key string) string {
	expires := t.now().Add(ticketTTL).Unix()
	return FilePath + url.PathEscape(storage) + "?" + url.Values{
		"path": {key}, "expires": {strconv.FormatInt(expires, 10)}, "signature": {t.sign(storage, key, expires)},
	}.Encode()
}

// Check returns nil where a query has a ticket for a file that is good now, and
// fault.NotFound otherwise.
func (t *Tickets) Check(storage string, query url.Values) error {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	if err != nil || !hmac.Equal([]byte(query.Get("signature")), []byte(t.sign(storage, query.Get("path"), expires))) {
		return fault.New(fault.NotFound, "this address is none that was given to a host").On(fault.Caller)
	}
	if t.now().Unix() >= expires {
		return fault.New(fault.NotFound, "this address was good until %s", time.Unix(expires, 0).UTC().Format(time.RFC3339)).On(fault.Caller)
	}
	return nil
}

// sign returns the proof that we gave an address. Each part is signed behind its length,
// so that none can be taken for a part of another.
func (t *Tickets) sign(storage, key string, expires int64) string {
	mac := hmac.New(sha256.New, t.key[:])
	for _, part := range []string{storage, key} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(expires)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
