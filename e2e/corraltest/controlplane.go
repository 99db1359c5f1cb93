package corraltest

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
)

// startLimit is how long a program may take to be ready on a busy machine.
const startLimit = 30 * time.Second

// The names of the keys that every control plane of a lab has, which are those
// of their roles.
const (
	Admin     = "admin"
	Operator  = "operator"
	Inference = "inference"
	Viewer    = "viewer"
)

// ControlPlane is a running control plane.
type ControlPlane struct {
	*Process
	Address string // 127.0.0.1:PORT, the same after a restart
	DataDir string

	args []string
	keys map[string]string // by role
}

// ControlPlane starts a control plane with flags of its own and returns when it
// is ready. It listens on a free port of loopback unless a flag says otherwise.
func (l *Lab) ControlPlane(args ...string) *ControlPlane {
	l.T.Helper()
	return l.ControlPlaneIn(l.Folder("controlplane"), args...)
}

// ControlPlaneIn is ControlPlane with its data in a folder of the caller's.
func (l *Lab) ControlPlaneIn(dataDir string, args ...string) *ControlPlane {
	l.T.Helper()
	c := &ControlPlane{DataDir: dataDir, args: args, keys: map[string]string{}}
	c.Process = &Process{lab: l}
	c.keys[Admin] = c.NewKey(Admin).Key // before the start, as it is to be known at once
	c.start("127.0.0.1:0")
	return c
}

func (c *ControlPlane) start(listen string) {
	l := c.lab
	l.T.Helper()
	args := append([]string{"serve", "--data-dir", c.DataDir, "--listen", listen}, c.args...)
	c.Process = l.Start(Command{Path: Bin(l.T, "corral-controlplane"), Args: args})
	c.Address = c.AwaitLog(startLimit, `listening: address=(\S+)`)
	Await(l.T, startLimit, "the control plane is ready", Until(func() bool {
		return c.As("").Get("/readyz").Status == 200
	}))
}

// Restart starts the control plane again where it was, after its end.
func (c *ControlPlane) Restart() {
	c.lab.T.Helper()
	c.start(c.Address)
}

// URL returns the control plane's address for callers, without a path.
func (c *ControlPlane) URL() string { return "http://" + c.Address }

// Key is a key as the command line prints it.
type Key struct {
	Key string
	ID  string
}

// NewKey makes a key.
func (c *ControlPlane) NewKey(role string) Key {
	c.lab.T.Helper()
	var key Key
	c.runJSON(&key, "key", "create", "--data-dir", c.DataDir, "--name", role+rand.Text(), "--role", role, "--json")
	return key
}

// Link makes a key of the role and returns a link that signs in with it once.
func (c *ControlPlane) Link(role string) string {
	c.lab.T.Helper()
	var made struct{ Link string }
	c.runJSON(&made, "key", "create", "--data-dir", c.DataDir, "--name", role+rand.Text(), "--role", role, "--link", "--url", c.URL(), "--json")
	return made.Link
}

// Key returns a key of the role, the same each time.
func (c *ControlPlane) Key(role string) string {
	c.lab.T.Helper()
	if c.keys[role] == "" {
		c.keys[role] = c.NewKey(role).Key
		// The server learns of it by looking, a little later.
		Await(c.lab.T, startLimit, "the new key is known", Until(func() bool {
			return c.Caller(c.keys[role]).Get("/api/hosts").Status != 401
		}))
	}
	return c.keys[role]
}

// Token makes a join token, with more flags if need be.
func (c *ControlPlane) Token(flags ...string) string {
	c.lab.T.Helper()
	var token struct{ Token string }
	c.runJSON(&token, append([]string{"token", "create", "--data-dir", c.DataDir, "--json"}, flags...)...)
	return token.Token
}

// runJSON runs a command of the control plane that prints JSON.
func (c *ControlPlane) runJSON(result any, args ...string) {
	c.lab.T.Helper()
	out := Output(c.lab.T, Bin(c.lab.T, "corral-controlplane"), args...)
	if err := json.Unmarshal([]byte(out), result); err != nil {
		c.lab.T.Fatalf("corral-controlplane %s printed %q: %v", strings.Join(args, " "), out, err)
	}
}

// Output runs a program that is to succeed and returns what it printed.
func Output(t testing.TB, program string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &stderr
	cmd.Env = os.Environ()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}

// As returns a caller with the key of a role; "" is one without a key.
func (c *ControlPlane) As(role string) *Caller {
	c.lab.T.Helper()
	if role == "" {
		return c.Caller("")
	}
	return c.Caller(c.Key(role))
}

// Caller returns a caller with this key.
func (c *ControlPlane) Caller(key string) *Caller {
	return &Caller{T: c.lab.T, URL: c.URL(), Key: key, HTTP: Plain()}
}

// API returns the SDK's client with an administrator's key.
func (c *ControlPlane) API() *client.Client {
	c.lab.T.Helper()
	api, err := client.New(c.URL(), c.Key(Admin), client.Options{})
	if err != nil {
		c.lab.T.Fatal(err)
	}
	return api
}

// AwaitHost waits until what is known of a host passes a check, and returns it.
func (c *ControlPlane) AwaitHost(limit time.Duration, name, sentence string, check func(*client.Host) bool) *client.Host {
	c.lab.T.Helper()
	api := c.API()
	var host *client.Host
	Await(c.lab.T, limit, "host "+name+" "+sentence, func() (err error) {
		if host, err = api.Host(c.lab.T.Context(), name); err != nil {
			return err
		}
		if !check(host) {
			return notYet(host)
		}
		return nil
	})
	return host
}
