package main

import (
	"regexp"
	"strings"
	"testing"
)

const secretPattern = `crn_[A-Za-z0-9_-]{43}`

func TestALinkIsPrintedBesideTheKey(t *testing.T) {
	dir := t.TempDir()
	plain := run(t, nil, "key", "create", "--data-dir", dir, "--name", "plain", "--link").want(t, 0).stdout
	if !regexp.MustCompile(`^crl_\S{43}\nhttp://localhost:11435/login#` + secretPattern + `\n$`).MatchString(plain) {
		t.Errorf("printed: %q", plain)
	}
	text := run(t, nil, "key", "create", "--data-dir", dir, "--name", "encoded", "--link", "--url", "https://corral.example.com/", "--json").want(t, 0).stdout
	made := object(t, text, "id", "key", "link", "name", "role")
	if link, _ := made["link"].(string); !regexp.MustCompile(`^https://corral\.example\.com/login#` + secretPattern + `$`).MatchString(link) {
		t.Errorf("the link is %q", link)
	}
}

func TestALinkForAKeyThatThereIs(t *testing.T) {
	dir := t.TempDir()
	made := object(t, run(t, nil, "key", "create", "--data-dir", dir, "--name", "laptop", "--role", "viewer", "--json").want(t, 0).stdout,
		"id", "key", "name", "role")
	id, _ := made["id"].(string)
	links := map[string]bool{}
	for _, asked := range []string{"laptop", id} {
		link := run(t, nil, "key", "link", "--data-dir", dir, asked).want(t, 0).stdout
		if !regexp.MustCompile(`^http://localhost:11435/login#` + secretPattern + `\n$`).MatchString(link) {
			t.Errorf("printed: %q", link)
		}
		links[link] = true
	}
	if len(links) != 2 {
		t.Error("two links have the same secret")
	}
	encoded := object(t, run(t, nil, "key", "link", "laptop", "--data-dir", dir, "--json").want(t, 0).stdout, "id", "link", "name", "role")
	if link, _ := encoded["link"].(string); encoded["id"] != id || encoded["role"] != "viewer" || !strings.HasPrefix(link, "http://localhost:11435/login#crn_") {
		t.Errorf("made: %v", encoded)
	}
	run(t, nil, "key", "revoke", "--data-dir", dir, id).want(t, 0)
	run(t, nil, "key", "link", "--data-dir", dir, "laptop").want(t, 1, "laptop")
}
