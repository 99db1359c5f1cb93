package served

import (
	"net/http"
	"strings"
)

// Version is what a server says of which version a file is.
type Version struct{ ETag, LastModified string }

// VersionOf returns what an answer says.
func VersionOf(h http.Header) Version {
	if tag := h.Get("ETag"); tag != "" {
		return Version{ETag: tag}
	}
	return Version{LastModified: h.Get("Last-Modified")}
}

// String returns it as a storage tells of it.
func (v Version) String() string {
	if v.ETag != "" {
		return strings.Trim(strings.TrimPrefix(v.ETag, "W/"), `"`)
	}
	return v.LastModified
}

// ifRange has a server send all of a file in place of a part of another version. A weak
// tag may not be asked so.
func (v Version) ifRange() http.Header {
	switch {
	case v.ETag != "" && !strings.HasPrefix(v.ETag, "W/"):
		return http.Header{"If-Range": {v.ETag}}
	case v.LastModified != "":
		return http.Header{"If-Range": {v.LastModified}}
	}
	return nil
}
