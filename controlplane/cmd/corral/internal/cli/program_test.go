package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereTheKeyComesFrom(t *testing.T) {
	server := controlPlane(t, fleetOfTwo()).URL
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("crl_test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxKeyFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name        string
		environment map[string]string
		args        []string
		exit        int
		stderr      string // a part of it
	}{
		{"flag", nil, []string{"--key", "crl_test"}, 0, ""},
		{"flag over variable", map[string]string{"CORRAL_KEY": "crl_other"}, []string{"--key", "crl_test"}, 0, ""},
		{"variable", map[string]string{"CORRAL_KEY": "crl_test"}, nil, 0, ""},
		{"variable over file", map[string]string{"CORRAL_KEY": "crl_test", "CORRAL_KEY_FILE": "/nowhere"}, nil, 0, ""},
		{"file", map[string]string{"CORRAL_KEY_FILE": file}, nil, 0, ""},
		{"file that is missing", map[string]string{"CORRAL_KEY_FILE": "/nowhere"}, nil, exitUsage, "CORRAL_KEY_FILE"},
		{"file that is no key", map[string]string{"CORRAL_KEY_FILE": large}, nil, exitUsage, "more than a key"},
		{"none", nil, nil, exitFailed, "give a key by --key, CORRAL_KEY or CORRAL_KEY_FILE"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			o := run(t, tc.environment, "", append([]string{"status", "--server", server}, tc.args...)...)
			if o.exit != tc.exit || !strings.Contains(o.stderr, tc.stderr) || tc.stderr == "" && o.stderr != "" {
				t.Errorf("exit %d, stderr %q; want exit %d and %q", o.exit, o.stderr, tc.exit, tc.stderr)
			}
		})
	}
}

func TestChatReadsStandardInput(t *testing.T) {
	environment := map[string]string{"CORRAL_SERVER": controlPlane(t, fleetOfTwo()).URL, "CORRAL_KEY": "crl_test"}
	o := run(t, environment, "Hello from a file", "chat", "tiny")
	if want := "You said: Hello from a file\n"; o.exit != 0 || !strings.HasSuffix(o.stdout, "[2J\n") || !strings.HasPrefix(o.stdout, strings.TrimSpace(want)) {
		t.Errorf("exit %d, %q, %q", o.exit, o.stdout, o.stderr)
	}
	o = run(t, environment, strings.Repeat("x", maxQuestion+1), "chat", "tiny")
	if o.exit != exitUsage || !strings.Contains(o.stderr, "over 4 MiB") {
		t.Errorf("a question that is too large: exit %d, %q", o.exit, o.stderr)
	}
}

// TestAnInterruptStops: what has no end of its own is done when it is stopped, and all else
// is not.
func TestAnInterruptStops(t *testing.T) {
	for command, want := range map[string]struct {
		exit   int
		stderr string
	}{
		"host logs gpu-1 --follow":  {exitDone, ""},
		"host logs gpu-1":           {exitInterrupted, "corral: interrupted\n"},
		"model list":                {exitInterrupted, "corral: interrupted\n"},
		"storage get disk a.gguf -": {exitInterrupted, "corral: interrupted\n"},
		"op watch op_1":             {exitInterrupted, "corral: interrupted; what was begun goes on, as corral op list shows\n"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			interrupt()
			<-r.Context().Done()
		}))
		var stdout, stderr strings.Builder
		exit := Program{
			Args: append(strings.Fields(command), "--server", server.URL), Getenv: func(string) string { return "" },
			Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: now,
		}.Run(ctx)
		if exit != want.exit || stderr.String() != want.stderr {
			t.Errorf("%s: exit %d, stderr %q", command, exit, stderr.String())
		}
		server.Close()
	}
}

func TestAnUnreachableServer(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	o := run(t, map[string]string{"CORRAL_SERVER": server.URL}, "", "status")
	if o.exit != exitFailed || !strings.Contains(o.stderr, "could not be reached") || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("exit %d, stderr %q", o.exit, o.stderr)
	}
}
