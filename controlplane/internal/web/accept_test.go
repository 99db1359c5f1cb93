package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWeights(t *testing.T) {
	for header, want := range map[string]map[string]float64{
		"":                               {},
		"gzip, br":                       {"gzip": 1, "br": 1},
		" GZip ;Q=0.5,,br ; q=0":         {"gzip": 0.5, "br": 0},
		"text/html;level=1;q=0.3":        {"text/html": 0.3},
		"text/html;q=0.3, text/html":     {"text/html": 1},
		"br;q=2, gzip;q=x, deflate;q=-1": {},
		"br;q=NaN, gzip;q=1.000":         {"gzip": 1},
		";q=1":                           {},
	} {
		if diff := cmp.Diff(want, weights(header)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", header, diff)
		}
	}
}

func TestWantsPage(t *testing.T) {
	for _, accept := range []string{
		strings.TrimPrefix(browser, "Accept: "),
		"text/html",
		"TEXT/HTML;q=0.1",
		"application/json, text/html;q=0.5",
		"text/plain, text/html",
		"text/plain;q=0, text/html;q=0.1, */*",
	} {
		if !wantsPage(accept) {
			t.Errorf("%q gets no page", accept)
		}
	}
	for _, accept := range []string{
		"",    // Ollama's command line
		"*/*", // curl
		"text/*",
		"text/html;q=0",
		"text/html;q=0, */*",
		"text/html;q=0.5, */*;q=0.8",
		"text/plain, text/html;q=0.9",
		"text/htmlx, application/text/html",
		"application/json, text/plain, */*",
		"text/html;q=0.5, text/*;q=0.6, */*;q=.1",
	} {
		if wantsPage(accept) {
			t.Errorf("%q gets a page", accept)
		}
	}
}

func TestChoose(t *testing.T) {
	all := &file{forms: []form{{encoding: "br"}, {encoding: "gzip"}, {encoding: identity}}}
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":          "br",
		"gzip, deflate":                    "gzip",
		"br;q=0.5, gzip":                   "gzip",
		"br;q=0, *":                        "gzip",
		"*":                                "br",
		"":                                 identity,
		"deflate":                          identity,
		"br;q=0, gzip;q=0":                 identity,
		"gzip;q=0.001":                     "gzip",
		"gzip;q=0.5, identity;q=0.8":       identity,
		"identity;q=0, gzip;q=0, br;q=0.1": "br",
		"*;q=0":                            identity, // nothing better is to be had
	} {
		if got := all.choose(accept).encoding; got != want {
			t.Errorf("of %q it chooses %s, want %s", accept, got, want)
		}
	}
	plain := &file{forms: []form{{encoding: identity}}}
	for _, accept := range []string{"br, gzip", "identity;q=0"} {
		if got := plain.choose(accept).encoding; got != identity {
			t.Errorf("of %q it chooses %s, which is not there", accept, got)
		}
	}
}

func FuzzWeights(f *testing.F) {
	for _, header := range []string{"", "gzip;q=0.5, br", "text/html;level=1;q=0.3,*/*;q=0", ";;q=,=;q==1", "a;q=1e-5"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for name, weight := range weights(header) {
			if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, ",;") || !(weight >= 0 && weight <= 1) {
				t.Errorf("%q has %q of the weight %v", header, name, weight)
			}
		}
	})
}
