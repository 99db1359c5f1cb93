package edge

import (
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

// readCredentials copies out what proves who calls, and says of which sort it
// is. With a secret present the cookie is not even looked at: the two may
// belong to different people, the secret to whoever made a page and the cookie
// to whoever looks at it.
func readCredentials(rc *fasthttp.RequestCtx, t *target, cookie string, remote netip.Addr, upgrade bool) (Credentials, proof) {
	h := &rc.Request.Header
	c := Credentials{URLKey: t.urlKey, RemoteIP: remote}
	scheme, token, _ := strings.Cut(string(h.Peek("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		c.Bearer = strings.TrimSpace(token)
	}
	if c.Bearer == "" {
		c.Bearer = string(h.Peek("X-Api-Key"))
	}
	bySubprotocol := false
	if upgrade {
		c.Ticket = t.query.Get("ticket")
		for _, line := range h.PeekAll("Sec-WebSocket-Protocol") {
			for token := range strings.SplitSeq(string(line), ",") {
				token = strings.TrimSpace(token)
				c.Subprotocols = append(c.Subprotocols, token)
				bySubprotocol = bySubprotocol || strings.HasPrefix(token, "bearer.")
			}
		}
	}
	if c.Bearer != "" || c.URLKey != "" || c.Ticket != "" || bySubprotocol {
		return c, proofSecret
	}
	if cookie != "" {
		c.Cookie = string(h.Cookie(cookie))
	}
	if c.Cookie != "" {
		return c, proofCookie
	}
	return c, proofNone
}

// copyHeader copies the fields that handlers may see, into one string and one slice.
func copyHeader(h *fasthttp.RequestHeader) []HeaderField {
	size, count := 0, 0
	for name, value := range h.All() {
		size += len(name) + len(value)
		count++
	}
	text := make([]byte, 0, size)
	ends := make([]HeaderField, 0, count)
	for name, value := range h.All() {
		if !isSecretHeader(string(name)) {
			text = append(append(text, name...), value...)
		}
	}
	all := string(text)
	for name, value := range h.All() {
		if !isSecretHeader(string(name)) {
			ends = append(ends, HeaderField{Name: all[:len(name)], Value: all[len(name) : len(name)+len(value)]})
			all = all[len(name)+len(value):]
		}
	}
	return ends
}
