package storagetest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How long an address of a check is valid, and how long after that it may still be.
const (
	shortTTL = time.Second
	endSoon  = 10 * time.Second
)

var presignChecks = []Check{
	{ID: "ST-PRESIGN-001", Needs: storage.CanPresign, Sentence: "An address serves the object and its ranges, with no header but those that are returned with it.", try: func(t *trial) {
		whole := pattern(100_000, 1)
		for _, name := range []string{"a", "with space+plus%cent/ü?&#"} {
			t.put(key(name), whole)
			signed := t.presign(key(name), time.Minute)
			for _, r := range []struct {
				header string
				status int
				want   []byte
			}{
				{"", http.StatusOK, whole},
				{"bytes=0-9", http.StatusPartialContent, whole[:10]},
				{"bytes=50000-50099", http.StatusPartialContent, whole[50000:50100]},
				{"bytes=99990-", http.StatusPartialContent, whole[99990:]},
			} {
				if status, got, err := t.fetch(signed, r.header); err != nil || status != r.status || !bytes.Equal(got, r.want) {
					t.errorf("%q, range %q: %d, %s, %v", name, r.header, status, brief(got), err)
				}
			}
		}
	}},
	{ID: "ST-PRESIGN-002", Needs: storage.CanPresign, Sentence: "An address ends to work after its time or soon after.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		asked := time.Now()
		signed := t.presign(key("a"), shortTTL)
		if off := signed.ExpiresAt.Sub(asked.Add(shortTTL)).Abs(); off > endSoon {
			t.errorf("it says that it ends %v off", off)
		}
		for {
			status, _, err := t.fetch(signed, "")
			if err != nil {
				t.fatalf("fetch: %v", err)
			}
			if status >= http.StatusBadRequest {
				return
			}
			if time.Since(asked) > shortTTL+endSoon {
				t.fatalf("it still works after %v", time.Since(asked).Round(time.Second))
			}
			select {
			case <-time.After(shortTTL / 4):
			case <-t.ctx.Done():
				t.fatalf("%v", t.ctx.Err())
			}
		}
	}},
	{ID: "ST-PRESIGN-003", Needs: storage.CanPresign, Sentence: "An address is a secret: of no other object, and not without its signature.", try: func(t *trial) {
		t.put(key("a"), []byte("this"))
		t.put(key("b"), []byte("other"))
		signed := t.presign(key("a"), time.Minute)
		u, err := url.Parse(signed.URL)
		if err != nil {
			t.fatalf("%v", errors.Unwrap(err)) // which does not have the address
		}
		bare, other := *u, *u
		bare.RawQuery = ""
		other.Path, other.RawPath = other.Path[:len(other.Path)-1]+"b", ""
		for how, address := range map[string]*url.URL{"without its signature": &bare, "for another object": &other} {
			altered := signed
			altered.URL = address.String()
			if status, got, err := t.fetch(altered, ""); err == nil && status < http.StatusBadRequest {
				t.errorf("%s it serves %s", how, brief(got))
			}
		}
	}},
	{ID: "ST-PRESIGN-004", reads: true, Needs: storage.CanPresign, Sentence: "An object that is not there is found out when the address is made or used.", try: func(t *trial) {
		signed, err := as[storage.Presigner](t).PresignGet(t.ctx, key("absent"), time.Minute)
		if err != nil {
			t.wantKind(err, fault.NotFound, "PresignGet")
			return
		}
		if status, _, err := t.fetch(signed, ""); err != nil || status != http.StatusNotFound {
			t.errorf("the address answers %d, %v", status, err)
		}
	}},
}

// presign signs an address, which has to work.
func (t *trial) presign(key string, ttl time.Duration) storage.Presigned {
	signed, err := as[storage.Presigner](t).PresignGet(t.ctx, key, ttl)
	if err != nil {
		t.fatalf("PresignGet %q: %v", key, err)
	}
	return signed
}

// fetch gets what is at an address. Its error does not have the address.
func (t *trial) fetch(signed storage.Presigned, ranged string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(t.ctx, http.MethodGet, signed.URL, http.NoBody)
	if err != nil {
		return 0, nil, errors.Unwrap(err)
	}
	maps.Copy(r.Header, signed.Header)
	if ranged != "" {
		r.Header.Set("Range", ranged)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, errors.Unwrap(err)
	}
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, content, errors.Join(err, answer.Body.Close())
}
