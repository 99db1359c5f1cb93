package fleet

import (
	"strconv"
	"strings"
)

// Routes are routes of Ollama that not every version has.
type Routes uint8

// The routes.
const (
	ResponsesRoute Routes = 1 << iota // /v1/responses
	MessagesRoute                     // /v1/messages
)

// sinceVersion is the version of Ollama that came with each of the routes.
var sinceVersion = [...]struct {
	path    string
	route   Routes
	version [3]int
}{
	{"/v1/responses", ResponsesRoute, [3]int{0, 13, 3}},
	{"/v1/messages", MessagesRoute, [3]int{0, 14, 0}},
}

// RouteOf returns the route at a path, without a query, and since when Ollama has
// it; 0 for one that every version has.
func RouteOf(path string) (route Routes, since string) {
	for _, s := range sinceVersion {
		if s.path == path {
			return s.route, strconv.Itoa(s.version[0]) + "." + strconv.Itoa(s.version[1]) + "." + strconv.Itoa(s.version[2])
		}
	}
	return 0, ""
}

// RoutesOf returns the routes that a version of Ollama has. One that is not known,
// or that somebody built without a number, is taken to have all.
func RoutesOf(version string) Routes {
	number, known := parseVersion(version)
	var has Routes
	for _, s := range sinceVersion {
		if !known || !before(number, s.version) {
			has |= s.route
		}
	}
	return has
}

// parseVersion reads the numbers of a version such as "0.14.0-rc1". A candidate
// for a release has what that has.
func parseVersion(version string) (number [3]int, known bool) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(version, ".")
	if len(parts) != len(number) {
		return number, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return number, false
		}
		number[i] = n
	}
	return number, number != [3]int{}
}

func before(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
