package ollamaapi

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// version returns the newest version among the hosts' Ollamas: clients ask in
// order to know what they may use. Builds without a number, which say 0.0.0,
// don't count.
func (a *API) version() (any, error) {
	var newest release
	for _, h := range a.view.Hosts() {
		if !h.State.Reachable() {
			continue
		}
		for i := range h.Instances {
			if r, ok := parseRelease(h.Instances[i].Version); ok && r.compare(newest) > 0 {
				newest = r
			}
		}
	}
	if newest.text == "" {
		return nil, fault.New(fault.Unavailable, "no host with a running Ollama is connected, so there is no version to tell")
	}
	return map[string]string{"version": newest.text}, nil
}

// release is a version of Ollama, such as 0.17.4 or 0.18.0-rc1.
type release struct {
	text    string
	numbers [3]uint64
	pre     string // what stands behind the first hyphen; less than nothing there
}

// parseRelease reads a version. It is not ok where there is none in the text,
// or all of it is zero.
func parseRelease(text string) (r release, ok bool) {
	r.text = strings.TrimPrefix(text, "v")
	core, pre, _ := strings.Cut(r.text, "-")
	r.pre = pre
	parts := strings.Split(core, ".")
	if len(parts) > len(r.numbers) {
		return release{}, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return release{}, false
		}
		r.numbers[i] = n
	}
	return r, r.numbers != [3]uint64{}
}

func (r release) compare(other release) int {
	for i := range r.numbers {
		if c := cmp.Compare(r.numbers[i], other.numbers[i]); c != 0 {
			return c
		}
	}
	switch {
	case r.pre == other.pre:
		return 0
	case r.pre == "":
		return 1
	case other.pre == "":
		return -1
	}
	return cmp.Compare(r.pre, other.pre)
}
