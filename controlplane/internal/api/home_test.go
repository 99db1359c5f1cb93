package api

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestHomeIsOllamaToEverybodyElse(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, path := range []string{"/", "/k/read/", "/k/unknown"} {
		if got := f.Do(0, "GET", path, ""); got.Status != 200 || got.Body != "Ollama is running" || got.Header.Get("Vary") == "" {
			t.Errorf("GET %s: %d %v %q", path, got.Status, got.Header, got.Body)
		}
		if got := f.Do(0, "HEAD", path, "", "Accept: application/json"); got.Status != 200 || got.Body != "" {
			t.Errorf("HEAD %s: %d %q", path, got.Status, got.Body)
		}
	}
}

// A browser runs what is in the page, and nothing else.
func TestPage(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(0, "GET", "/", "", "Accept: text/html,application/xhtml+xml")
	rules := got.Header.Get("Content-Security-Policy")
	if got.Status != 200 || got.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.HasPrefix(rules, "default-src 'none'") || strings.Contains(rules, "unsafe") {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	for _, element := range []string{"script", "style"} {
		inline := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(got.Body, -1)
		if len(inline) != 1 {
			t.Fatalf("%d elements %s", len(inline), element)
		}
		sum := sha256.Sum256([]byte(inline[0][1]))
		if digest := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(rules, element+"-src 'sha256-"+digest+"'") {
			t.Errorf("%s of the digest %s may not be used by %s", element, digest, rules)
		}
	}
	for _, outside := range []string{"http://", "https://", "innerHTML", " style=", " onclick=", "/*page."} {
		if strings.Contains(got.Body, outside) {
			t.Errorf("the page has %q in it", outside)
		}
	}
}
