package config

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestWherePeersAreServed(t *testing.T) {
	for _, good := range [][]string{
		nil,
		{"--peer-listen", "127.0.0.1:0"},
		{"--peer-listen", "gpu-1.lab:11437"},
		{"--peer-listen", ":11437", "--peer-address", "gpu-1.lab:11437"},
		{"--peer-listen", "[::]:11437", "--peer-address", "[fd00::1]:11437", "--peer-send-rate", "20MB"},
	} {
		if _, _, err := load(t, "", nil, good...); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for wrong, says := range map[string]string{
		"--peer-address a:1":                        "nothing listens there",
		"--peer-listen a":                           "not host:port",
		"--peer-listen a:":                          "not host:port",
		"--peer-listen a:70000":                     "not host:port",
		"--peer-listen :11437":                      "is needed",
		"--peer-listen 0.0.0.0:0":                   "is needed",
		"--peer-listen [::]:1":                      "is needed",
		"--peer-listen a:1 --peer-address b":        "not host:port",
		"--peer-listen a:1 --peer-address :1":       "not host:port",
		"--peer-listen a:1 --peer-address b:0":      "not host:port",
		"--peer-listen a:1 --peer-address b:x":      "not host:port",
		"--peer-listen a:1 --peer-send-rate=-5":     "",
		"--peer-listen a:1 --peer-send-rate=plenty": "",
	} {
		_, _, err := load(t, "", nil, strings.Fields(wrong)...)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
