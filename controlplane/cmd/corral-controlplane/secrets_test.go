package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// object reads a JSON object and checks that it has these keys and no others.
func object(t *testing.T, text string, keys ...string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	var got []string
	for k := range o {
		got = append(got, k)
	}
	slices.Sort(got)
	if !slices.Equal(got, keys) {
		t.Errorf("the object has %v, want %v", got, keys)
	}
	return o
}

func TestAKeyIsMadeListedAndRevoked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	made := object(t, run(t, nil, "key", "create", "--data-dir", dir, "--name", "laptop", "--role", "viewer", "--json").want(t, 0).stdout,
		"id", "key", "name", "role")
	key, _ := made["key"].(string)
	if !strings.HasPrefix(key, "crl_") || made["name"] != "laptop" || made["role"] != "viewer" {
		t.Errorf("made: %v", made)
	}
	// The other way to name the directory, the default role, and the plain form.
	plain := run(t, []string{"CORRAL_CONTROLPLANE_DATA_DIR=" + dir}, "key", "create", "--name", "other").want(t, 0).stdout
	if !strings.HasPrefix(plain, "crl_") || strings.Count(plain, "\n") != 1 {
		t.Errorf("printed: %q", plain)
	}

	var listed []map[string]any
	list := func() string {
		text := run(t, nil, "key", "list", "--data-dir", dir, "--json").want(t, 0).stdout
		listed = nil
		if err := json.Unmarshal([]byte(text), &listed); err != nil {
			t.Fatal(err)
		}
		return text
	}
	if text := list(); len(listed) != 2 || strings.Contains(text, key) || listed[0]["hint"] == "" || listed[1]["role"] != "operator" {
		t.Errorf("listed: %s", text)
	}
	if _, revoked := listed[0]["revoked_at"]; revoked {
		t.Error("a key that is good counts as revoked")
	}

	id, _ := made["id"].(string)
	run(t, nil, "key", "revoke", "--data-dir", dir, id).want(t, 0)
	if text := list(); listed[0]["revoked_at"] == nil || listed[1]["revoked_at"] != nil {
		t.Errorf("after one was revoked: %s", text)
	}
	table := run(t, nil, "key", "list", "--data-dir", dir).want(t, 0).stdout
	for _, part := range []string{"ID", "laptop", "revoked 20", "other", "valid"} {
		if !strings.Contains(table, part) || strings.Contains(table, key) {
			t.Errorf("the table lacks %q, or has a key:\n%s", part, table)
		}
	}
}

func TestAKeyHasAPriority(t *testing.T) {
	dir := t.TempDir()
	run(t, nil, "key", "create", "--data-dir", dir, "--name", "batch", "--priority", "-2").want(t, 0)
	run(t, nil, "key", "create", "--data-dir", dir, "--name", "people").want(t, 0)
	priorities := func() (of [2]int) {
		t.Helper()
		var listed []struct{ Priority int }
		if err := json.Unmarshal([]byte(run(t, nil, "key", "list", "--data-dir", dir, "--json").want(t, 0).stdout), &listed); err != nil || len(listed) != 2 {
			t.Fatal(err, listed)
		}
		return [2]int{listed[0].Priority, listed[1].Priority}
	}
	if got := priorities(); got != [2]int{-2, 0} {
		t.Errorf("made with %v", got)
	}
	run(t, nil, "key", "set", "--data-dir", dir, "people", "--priority", "1").want(t, 0)
	run(t, nil, "key", "set", "--data-dir", dir, "batch", "--priority=0").want(t, 0)
	if got := priorities(); got != [2]int{0, 1} {
		t.Errorf("set to %v", got)
	}
	table := run(t, nil, "key", "list", "--data-dir", dir).want(t, 0).stdout
	if !strings.Contains(table, "PRIORITY") || !strings.Contains(table, "operator  1 ") {
		t.Errorf("listed:\n%s", table)
	}
}

func TestNoKeysAreAnEmptyList(t *testing.T) {
	if got := run(t, nil, "key", "list", "--data-dir", t.TempDir(), "--json").want(t, 0).stdout; got != "[]\n" {
		t.Errorf("printed: %q", got)
	}
}

func TestAJoinTokenIsMade(t *testing.T) {
	dir := t.TempDir()
	made := object(t, run(t, nil, "token", "create", "--data-dir", dir, "--ttl", "2h", "--uses", "3", "--label", "rack=7", "--approve", "--json").want(t, 0).stdout,
		"approve", "expires_at", "id", "token", "uses")
	text, _ := made["token"].(string)
	if _, err := wire.ParseJoinToken(text); err != nil || made["uses"] != 3.0 || made["approve"] != true {
		t.Errorf("made: %v, %v", made, err)
	}
	at, _ := made["expires_at"].(string)
	expires, err := time.Parse(time.RFC3339, at)
	if left := time.Until(expires); err != nil || left < 110*time.Minute || left > 2*time.Hour || !strings.HasSuffix(at, "Z") {
		t.Errorf("it expires at %q, %v", at, err)
	}
	plain := run(t, nil, "token", "create", "--data-dir", dir).want(t, 0).stdout
	if _, err := wire.ParseJoinToken(strings.TrimSpace(plain)); err != nil {
		t.Errorf("printed %q: %v", plain, err)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	run(t, nil, "key", "create", "--data-dir", dir, "--name", "taken").want(t, 0)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 0, ""},
		{"version", 0, ""},
		{"key", 0, ""},
		{"bogus", 2, "bogus"},
		{"key bogus", 2, "bogus"},
		{"version extra", 2, "extra"},
		{"serve extra", 2, "extra"},
		{"serve --bogus", 2, "--bogus"},
		{"key create --data-dir DIR", 2, "--name"},
		{"key create --data-dir DIR --name x --role king", 2, "king"},
		{"key create --data-dir DIR --name taken", 1, "taken"},
		{"key create --data-dir DIR --name x --url http://localhost:1", 2, "--link"},
		{"key create --data-dir DIR --name x --link --url localhost:1", 2, "--url"},
		{"key create --data-dir DIR --name x --link --url ftp://localhost", 2, "--url"},
		{"key create --data-dir DIR --name x --link --url http://", 2, "--url"},
		{"key create --data-dir DIR --name x --link --url http://localhost/#a", 2, "--url"},
		{"key link --data-dir DIR", 2, "arg"},
		{"key link --data-dir DIR nobody", 1, "nobody"},
		{"key link --data-dir DIR taken --url nowhere", 2, "--url"},
		{"key revoke --data-dir DIR", 2, "arg"},
		{"key revoke --data-dir DIR key_nobody", 1, "key_nobody"},
		{"key create --data-dir DIR --name x --priority 3", 2, "-2 to 2"},
		{"key create --data-dir DIR --name x --priority high", 2, "--priority"},
		{"key set --data-dir DIR --priority 1", 2, "arg"},
		{"key set --data-dir DIR taken", 2, "--priority"},
		{"key set --data-dir DIR taken --priority -3", 2, "-2 to 2"},
		{"key set --data-dir DIR nobody --priority 1", 1, "nobody"},
		{"token create --data-dir DIR --ttl soon", 2, "--ttl"},
		{"token create --data-dir DIR --ttl 0s", 2, "good for"},
		{"token create --data-dir DIR --uses 0", 2, "uses"},
		{"token create --data-dir DIR --label rack", 2, "--label"},
		{"key list --data-dir /dev/null/nowhere", 1, "/dev/null"},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))
		if got := run(t, nil, args...).want(t, c.code, c.says); c.code != 0 && got.stdout != "" {
			t.Errorf("%q printed %q", c.args, got.stdout)
		}
	}
}
