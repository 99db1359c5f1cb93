package web

import (
	"strconv"
	"strings"
)

// identity is the encoding of what is not encoded.
const identity = "identity"

// weights reads an Accept or Accept-Encoding: what a client names, in lower
// case, and how much it wants each, from 0, which is not at all, to 1. Of what
// is named twice the larger weight counts. What is malformed is left out.
func weights(header string) map[string]float64 {
	wanted := map[string]float64{}
	for item := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		weight, ok := weightOf(parameters)
		if name == "" || !ok {
			continue
		}
		if had, twice := wanted[name]; !twice || weight > had {
			wanted[name] = weight
		}
	}
	return wanted
}

// weightOf returns the weight among parameters, which is 1 without one, and
// false where it is malformed.
func weightOf(parameters string) (weight float64, ok bool) {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return weight, err == nil && weight >= 0 && weight <= 1
	}
	return 1, true
}

// wantsPage reports whether a client is a browser that asks for a page: it names
// HTML, which those that take anything don't, and prefers nothing plainer.
func wantsPage(accept string) bool {
	wanted := weights(accept)
	page := wanted["text/html"]
	for _, plain := range []string{"text/plain", "text/*", "*/*"} {
		if weight, named := wanted[plain]; named {
			return page > 0 && page >= weight
		}
	}
	return page > 0
}

// encodingWeight is how much a client wants an encoding. One that it doesn't
// name is unwanted, but for none at all, which is the last resort.
func encodingWeight(wanted map[string]float64, encoding string) float64 {
	for _, name := range []string{encoding, "*"} {
		if weight, named := wanted[name]; named {
			return weight
		}
	}
	if encoding == identity {
		return 0.0001 // a client can't write a smaller one with the three digits that it has
	}
	return 0
}
