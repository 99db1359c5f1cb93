// Package load makes load on Ollama's chat route and times the answers.
//
// Its clients speak HTTP/1.1 on kept connections with a reader of their own,
// so that what a client costs is small beside what it measures and the same on
// every path. A stream counts only when its last line came.
package load

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Request is the one request that a [Client] sends again and again.
type Request struct {
	URL  string // such as http://127.0.0.1:11434/api/chat; plain HTTP alone
	Key  string // sent as a bearer token; empty sends no Authorization
	Body []byte // JSON
}

// render returns the address to dial and the bytes to send.
func (r Request) render() (address string, wire []byte, err error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "", nil, fmt.Errorf("load: %w", err)
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return "", nil, fmt.Errorf("load: %q is not an http:// URL with a host", r.URL)
	}
	if strings.ContainsAny(r.Key, "\r\n") {
		return "", nil, fmt.Errorf("load: the key for %s holds a line break", r.URL)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), u.Host)
	if r.Key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", r.Key)
	}
	fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(r.Body))
	b.Write(r.Body)
	return net.JoinHostPort(u.Hostname(), port), b.Bytes(), nil
}
