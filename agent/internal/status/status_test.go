package status

import (
	"context"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// serving runs a server on a socket until the test ends or stop is called.
func serving(t *testing.T, path string, report func() Report) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- New("unix", path, report, &letting{}, hclog.NewNullLogger()).Run(ctx) }()
	t.Cleanup(cancel)
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
	return func() error { cancel(); return <-result }
}

// get asks over the socket and returns the status, decoding the body into v.
func get(t *testing.T, path, target string, v any) int {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://agent" + target)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if v != nil {
		if got := res.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is %q", target, got)
		}
		if err := json.NewDecoder(res.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}

// letting lets go of GPUs, for an hour at most.
type letting struct{ acquired bool }

func (l *letting) Release(d time.Duration) (time.Time, error) {
	if d > time.Hour {
		return time.Time{}, fault.New(fault.Invalid, "for too long")
	}
	return time.Unix(0, 0).UTC().Add(d), nil
}

func (l *letting) Acquire() { l.acquired = true }

func TestLettingGoOfGPUs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	stop := serving(t, path, func() Report { return Report{} })
	post := func(target string) (code int, got Released) {
		t.Helper()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Post("http://agent"+target, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, got
	}
	for target, want := range map[string]Released{
		"/gpus/release?seconds=90":   {Until: time.Unix(90, 0).UTC()},
		"/gpus/release?seconds=3601": {Error: "for too long"},
		"/gpus/release?seconds=-1":   {Error: "the number of seconds is missing"},
		"/gpus/release":              {Error: "the number of seconds is missing"},
		"/gpus/acquire":              {},
	} {
		code, got := post(target)
		if d := cmp.Diff(want, got); d != "" || (code == http.StatusOK) != (want.Error == "") {
			t.Errorf("%s: %d %s", target, code, d)
		}
	}
	if code := get(t, path, "/gpus/release?seconds=90", nil); code != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d", code)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestHealthOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	report := Report{
		Version: "1.0", Joined: true, HostID: "h1", Host: "rack-1", Connected: true, Server: "https://c",
		Ollama: Ollama{Instance: "default", Mode: "managed", State: "ready", Version: "0.17.4", PID: 7, Models: 2},
	}
	var problems []string
	stop := serving(t, path, func() Report { r := report; r.Problems = problems; return r })

	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	var health map[string]string
	if code := get(t, path, "/healthz", &health); code != 200 || health["status"] != "ok" {
		t.Errorf("/healthz: %d %v", code, health)
	}
	want := report
	want.Problems = []string{} // in JSON a list, also without any
	var got Report
	if code := get(t, path, "/readyz", &got); code != 200 || cmp.Diff(want, got) != "" {
		t.Errorf("/readyz: %d\n%s", code, cmp.Diff(want, got))
	}
	problems = []string{"no Ollama"}
	want.Problems = problems
	got = Report{}
	if code := get(t, path, "/readyz", &got); code != 503 || cmp.Diff(want, got) != "" {
		t.Errorf("/readyz with problems: %d\n%s", code, cmp.Diff(want, got))
	}
	if code := get(t, path, "/metrics", nil); code != 404 {
		t.Errorf("/metrics: %d", code)
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Run the socket is still there: %v", err)
	}
}

func TestWhatIsAtTheSocketsPathAlready(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	run := func() error {
		return New("unix", path, func() Report { return Report{} }, nil, hclog.NewNullLogger()).Run(t.Context())
	}

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(); fault.KindOf(err) != fault.Conflict {
		t.Errorf("over a file: Run = %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Fatalf("the file is %q, %v", text, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	serving(t, path, func() Report { return Report{Version: "second"} }) // takes the place of a dead one
	if err := run(); fault.KindOf(err) != fault.Conflict {
		t.Errorf("over a live one: Run = %v", err)
	}
	var got Report
	if get(t, path, "/readyz", &got); got.Version != "second" {
		t.Errorf("the live one says %+v", got)
	}
}

func TestAnAddressThatCannotBeListenedAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "agent.sock")
	if err := New("unix", path, nil, nil, hclog.NewNullLogger()).Run(t.Context()); err == nil {
		t.Error("Run = nil")
	}
}
