package main

import (
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/served"
)

// reference is a model by the names that a key has of it.
type reference struct {
	folder string // that its keys begin with, such as library/llama3:8b/
	repo   string // such as library/llama3
	tag    string // or a digest
}

const digestPrefix = "sha256:"

// split returns the model that a key or a prefix is of, and the path there; false where it
// names none.
func split(key string) (r reference, path string, ok bool) {
	at := strings.IndexAny(key, ":@")
	if at < 0 {
		return reference{}, "", false
	}
	rest, path, hasPath := strings.Cut(key[at+1:], "/")
	r = reference{folder: key[:at+1] + rest + "/", repo: key[:at], tag: rest}
	for segment := range strings.SplitSeq(r.repo, "/") {
		if !isName(segment) {
			return reference{}, "", false
		}
	}
	return r, path, hasPath && (key[at] == ':' && isName(rest) || key[at] == '@' && isDigest(rest))
}

// isName reports whether a text is a name or a tag as registries have them.
func isName(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && strings.Trim(text, letters+"._-") == "" && strings.ContainsAny(text, letters)
}

func isDigest(text string) bool {
	sum, ok := strings.CutPrefix(text, digestPrefix)
	return ok && served.CheckSHA256(sum)
}

// isFixed reports whether a reference is a digest, which stays what it is.
func (r *reference) isFixed() bool { return isDigest(r.tag) }
