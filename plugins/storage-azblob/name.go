package main

import "strings"

// The service takes a backslash for a slash, and leaves out dots at the end of a
// segment. Keys with either have them written as in an address.
var (
	escapes   = strings.NewReplacer("%", "%25", "\\", "%5C")
	unescapes = strings.NewReplacer("%25", "%", "%5C", "\\", "%2E", ".")
)

// nameOf returns the name of a key's blob.
func nameOf(key string) string {
	if !strings.ContainsAny(key, "%\\.") {
		return key
	}
	segments := strings.Split(key, "/")
	for i, s := range segments {
		begin := strings.TrimRight(s, ".")
		segments[i] = escapes.Replace(begin) + strings.Repeat("%2E", len(s)-len(begin))
	}
	return strings.Join(segments, "/")
}

// beginOf returns what the names of all keys with a prefix begin with. Whether dots at
// its end are the end of a segment is not known.
func beginOf(prefix string) string { return nameOf(strings.TrimRight(prefix, ".")) }

// keyOf returns the key of a blob's name, and false where it is none that nameOf makes.
func keyOf(name string) (string, bool) {
	key := unescapes.Replace(name)
	return key, nameOf(key) == name
}
