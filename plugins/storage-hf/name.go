package main

import (
	"net/url"
	"strings"
)

// revision is one of a repository, by the names that a key has of them.
type revision struct {
	folder string // that its keys begin with, such as org/repo@main/
	repo   string // such as org/repo
	name   string // a branch, a tag or a commit
}

// split returns the revision that a key or a prefix is of, and the path there; false
// where it names none.
func split(key string) (r revision, path string, ok bool) {
	org, rest, hasRepo := strings.Cut(key, "/")
	repo, path, hasPath := strings.Cut(rest, "/")
	if !hasRepo || !hasPath {
		return revision{}, "", false
	}
	r = revision{folder: org + "/" + repo + "/", name: "main"}
	name, escaped, hasRevision := strings.Cut(repo, "@")
	if hasRevision {
		unescaped, err := url.PathUnescape(escaped)
		if err != nil || !isName(unescaped, "/") {
			return revision{}, "", false
		}
		r.name = unescaped
	}
	r.repo = org + "/" + name
	return r, path, isName(org, "") && isName(name, "")
}

// isName reports whether a text is a name as hubs have them, in which others may be too.
func isName(text, others string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && strings.Trim(text, letters+"._-"+others) == "" && strings.ContainsAny(text, letters) && !strings.Contains(text, "..")
}

// isCommit reports whether a revision is a commit, which stays what it is.
func (r *revision) isCommit() bool {
	const digits = 40
	return len(r.name) == digits && strings.Trim(r.name, "0123456789abcdef") == ""
}

// escaped returns a path as an address has it.
func escaped(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
