package host

import (
	"fmt"
	"slices"
	"strings"
)

// allowed are the variables that a plugin gets of its host's: how programs are found,
// what time it is, whom to trust and which way leads out. Nothing of the host's own
// is among them.
var allowed = []string{
	"PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}

// Environment returns what a plugin gets of its host's environment, and the bound of
// its memory, in bytes, that a runtime of Go keeps to; 0 is none.
func Environment(of []string, memoryBytes int64) []string {
	var env []string
	for _, variable := range of {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains(allowed, name) {
			env = append(env, variable)
		}
	}
	if memoryBytes > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", memoryBytes/10*8))
	}
	return env
}
