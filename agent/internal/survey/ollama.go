package survey

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// Ollama is one that somebody runs already, as far as it can be seen.
type Ollama struct {
	URL     string
	Err     error // why there is none that answers; nil where there is
	Version string
	Models  []Model

	Process     string   // the program that listens; "" where the kernel does not tell
	PID         int      // of it
	User        string   // under whom it runs
	Unit        string   // of systemd; "" where it is no unit's
	Environment []string // OLLAMA_… with which it was started, secrets blacked out
	Hidden      bool     // its environment may not be read
	ModelsDir   string   // where its models are; "" where that is not known
	Exposed     bool     // it listens beyond loopback
	Clients     []string // who is connected to it now, each once
}

// Model is one in an Ollama's store.
type Model struct {
	Name      string
	SizeBytes int64 `json:"size"`
}

// askTimeout is how long an Ollama may take to answer a question about itself.
const askTimeout = 5 * time.Second

func lookAtOllama(ctx context.Context, at string) Ollama {
	found := Ollama{URL: at}
	var version struct{ Version string }
	if found.Err = ask(ctx, at+"/api/version", &version); found.Err == nil {
		found.Version = version.Version
		var tags struct{ Models []Model }
		if found.Err = ask(ctx, at+"/api/tags", &tags); found.Err == nil {
			found.Models = tags.Models
		}
	}
	if addr, ok := addressOf(at); ok {
		found.lookAtOwner(addr)
		found.lookAtClients(addr)
	}
	return found
}

func ask(ctx context.Context, target string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{} // no proxy: it is on this host
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers with status %d", res.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 16<<20)).Decode(answer)
}

// addressOf returns the address of an Ollama on this machine.
func addressOf(at string) (netip.AddrPort, bool) {
	u, err := url.Parse(at)
	if err != nil {
		return netip.AddrPort{}, false
	}
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	port, wrong := strconv.ParseUint(u.Port(), 10, 16)
	return netip.AddrPortFrom(ip, uint16(port)), err == nil && wrong == nil && ip.IsLoopback()
}

func (o *Ollama) lookAtOwner(addr netip.AddrPort) {
	o.Exposed = procs.ListensEverywhere(addr.Port())
	owner, ok := procs.Listener(addr)
	if !ok {
		return
	}
	o.Process, o.PID, o.Unit = owner.Name, owner.PID, owner.Unit()
	if name, err := owner.User(); err == nil {
		o.User = name
	}
	entries, err := owner.Environ("OLLAMA_")
	o.Hidden = err != nil
	for _, entry := range slices.Sorted(slices.Values(entries)) {
		o.Environment = append(o.Environment, blackedOut(entry))
		if dir, ok := strings.CutPrefix(entry, "OLLAMA_MODELS="); ok {
			o.ModelsDir = dir
		}
	}
	if o.ModelsDir == "" && !o.Hidden {
		if owns, err := user.Lookup(o.User); err == nil {
			o.ModelsDir = filepath.Join(owns.HomeDir, ".ollama", "models")
		}
	}
}

// blackedOut hides the value of a variable that may be a secret.
func blackedOut(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	if slices.ContainsFunc([]string{"KEY", "TOKEN", "SECRET", "PASSWORD"}, func(word string) bool { return strings.Contains(name, word) }) {
		return name + "=***"
	}
	return entry
}

func (o *Ollama) lookAtClients(addr netip.AddrPort) {
	ends, processes := procs.Clients(addr)
	for _, p := range processes {
		if p.PID != o.PID {
			o.Clients = append(o.Clients, fmt.Sprintf("%s (process %d)", p.Name, p.PID))
		}
	}
	local := len(o.Clients) > 0
	for _, end := range ends {
		switch {
		case !end.Addr().IsLoopback():
			o.Clients = append(o.Clients, net.IP(end.Addr().AsSlice()).String())
		case !local:
			o.Clients = append(o.Clients, "a program of another user")
		}
	}
	slices.Sort(o.Clients)
	o.Clients = slices.Compact(o.Clients)
}
