package edge

import (
	"mime"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// proof is how a caller proved who it is, as far as browsers matter: what a
// browser adds by itself proves nothing about the page that made the request.
type proof uint8

const (
	proofNone   proof = iota // anonymous
	proofCookie              // added by the browser
	proofSecret              // a key that the maker of the request must know
)

// admitPage refuses what a foreign page may have made an unknowing browser
// send, unless the caller proved itself by a secret of its own.
func (v *browserView) admitPage(p proof) error {
	if p == proofSecret {
		return nil
	}
	anyPage := v.wildcard && p == proofNone
	switch {
	case v.standing == originOwn || v.standing == originListed:
		return nil
	case v.standing == originAny && anyPage:
		return nil
	case v.standing != originNone:
		return fault.New(fault.Forbidden, "pages from %s may not call without a key in a header; server.cors_origins lists those that may", v.origin)
	case v.cross && !anyPage:
		return fault.New(fault.Forbidden, "a page of another site may not call without a key in a header")
	case !v.ownHost && !anyPage:
		return fault.New(fault.Forbidden, "this server does not know the name it was called by; use its address, send a key in a header, or list the name's origin in server.cors_origins")
	}
	return nil
}

// admitSocket refuses WebSockets of foreign pages, whatever they prove.
func (v *browserView) admitSocket() error {
	switch v.standing {
	case originNone, originOwn, originListed, originAny:
		return nil
	}
	return fault.New(fault.Forbidden, "pages from %s may not open WebSockets here; server.cors_origins lists those that may", v.origin)
}

// admitBody refuses bodies of types that a page can send without a preflight.
func admitBody(p proof, contentType string, extra []string) error {
	if p == proofSecret {
		return nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil && (media == "application/json" || media == "multipart/form-data" || slices.Contains(extra, media)) {
		return nil
	}
	return fault.New(fault.Invalid, "without a key in a header, a body is taken as application/json or multipart/form-data alone")
}

// exposedHeaders are what pages of other origins may read of an answer.
const exposedHeaders = "Location, Retry-After, Content-Range, Accept-Ranges, Content-Disposition, ETag, " +
	"Corral-Host, Corral-Decision, Corral-Queue-Position, Corral-Queue-Wait-Seconds, Corral-Model, " +
	"Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, " +
	"Upload-Offset, Upload-Length, Upload-Expires, Upload-Metadata"

// corsHeader returns the fields that let the page behind a request read the
// answer, on errors as on everything else. bySecret says that the request
// carries a key of its own, or announces that it will.
func (v *browserView) corsHeader(bySecret bool) []HeaderField {
	fields := []HeaderField{{Name: "Vary", Value: "Origin"}}
	switch {
	case v.standing == originOwn || v.standing == originListed:
		fields = append(fields,
			HeaderField{Name: "Access-Control-Allow-Origin", Value: v.origin},
			HeaderField{Name: "Access-Control-Allow-Credentials", Value: "true"})
	case v.standing == originAny:
		fields = append(fields, HeaderField{Name: "Access-Control-Allow-Origin", Value: "*"})
	case v.standing == originLocal && bySecret:
		fields = append(fields, HeaderField{Name: "Access-Control-Allow-Origin", Value: v.origin})
	default:
		return fields
	}
	return append(fields, HeaderField{Name: "Access-Control-Expose-Headers", Value: exposedHeaders})
}

// preflight answers a browser's question whether it may send a request.
func (v *browserView) preflight(methods, wantHeaders string, bySecret, privateNetwork bool) (*Response, error) {
	fields := v.corsHeader(bySecret)
	if len(fields) == 1 {
		return nil, fault.New(fault.Forbidden, "pages from %s may not call; server.cors_origins lists those that may", v.origin)
	}
	fields = append(fields,
		HeaderField{Name: "Access-Control-Allow-Methods", Value: methods},
		HeaderField{Name: "Access-Control-Max-Age", Value: "600"},
		HeaderField{Name: "Vary", Value: "Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"})
	if wantHeaders != "" {
		fields = append(fields, HeaderField{Name: "Access-Control-Allow-Headers", Value: wantHeaders})
	}
	if privateNetwork {
		fields = append(fields, HeaderField{Name: "Access-Control-Allow-Private-Network", Value: "true"})
	}
	return &Response{Status: 204, Header: fields}, nil
}

// announcesKey reports whether a preflight's list of headers has one for keys.
func announcesKey(wantHeaders string) bool {
	for name := range strings.SplitSeq(wantHeaders, ",") {
		name = strings.TrimSpace(name)
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "X-Api-Key") {
			return true
		}
	}
	return false
}
