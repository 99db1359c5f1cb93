package web

import (
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// security is what browsers are told of the page: to run and to fetch what comes
// from here alone, and to show it in nobody else's page.
const security = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// assetSecurity is for a file that somebody opens by itself, such as a picture
// that could hold a script. It is short: a first load has a dozen of them.
const assetSecurity = "default-src 'none'"

// answer returns the file in the form that suits the request best, or that the
// client has it already.
func (f *file) answer(r *edge.Request, caching, security string) *edge.Response {
	chosen := f.choose(r.Header("Accept-Encoding"))
	resp := &edge.Response{Status: 200, Header: []edge.HeaderField{
		{Name: "Cache-Control", Value: caching},
		{Name: "ETag", Value: chosen.etag},
		{Name: "Content-Security-Policy", Value: security},
	}}
	if len(f.forms) > 1 {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Vary", Value: "Accept-Encoding"})
	}
	if has(r.Header("If-None-Match"), chosen.etag) {
		resp.Status = 304
		return resp
	}
	resp.Body = chosen.body
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Content-Type", Value: f.contentType})
	if chosen.encoding != identity {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Content-Encoding", Value: chosen.encoding})
	}
	return resp
}

// choose returns the form that a client wants most, of equals the best. A file
// goes out as it is to who wants none of its forms, not even that one: there is
// nothing better to be had.
func (f *file) choose(acceptEncoding string) *form {
	wanted := weights(acceptEncoding)
	best, most := &f.forms[len(f.forms)-1], 0.0
	for i := range f.forms {
		if w := encodingWeight(wanted, f.forms[i].encoding); w > most {
			best, most = &f.forms[i], w
		}
	}
	return best
}

// has reports whether an If-None-Match names a form.
func has(ifNoneMatch, etag string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
