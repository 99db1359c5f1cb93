package ollama

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/agent/internal/ollama/runlog"
	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Mode says who runs the Ollama.
type Mode string

// The modes.
const (
	// ModeAuto attaches to an Ollama that answers at the URL, unless that is our
	// unit's. Where none answers, the unit is started by an agent that is a
	// service of systemd itself and finds one; any other runs an Ollama of its
	// own. It is decided once, when Run starts: an attached Ollama that is away
	// for a moment, as during its own upgrade, is not replaced.
	ModeAuto     Mode = "auto"
	ModeSystemd  Mode = "systemd"  // ours, as a unit of systemd that outlives the agent
	ModeManaged  Mode = "managed"  // ours
	ModeAttached Mode = "attached" // somebody else's; it is watched and never touched
)

// Config says what to supervise and how. Only Instance and DataDir have no
// default.
type Config struct {
	Instance string       // its name, such as "default"
	Mode     Mode         // default ModeAuto
	Bin      string       // path of the ollama program; default the one on PATH
	URL      string       // where to serve or attach; default http://127.0.0.1:11434; port 0 picks a free one
	DataDir  string       // a folder of this instance alone
	Keeper   []string     // command line that runs keeper.Main; default this very program with keeper.Subcommand
	Unit     systemd.Unit // of ModeSystemd; default corral-ollama@INSTANCE.service
	Service  bool         // the agent is a service of systemd

	// GPUs tells of the host's GPUs; nil knows nothing of them.
	GPUs func() GPUs

	Settings Settings
	Stalls   Stalls
	Restarts RestartPolicy
	Timing   Timing
	Output   runlog.Limits // how much of Ollama's output is kept
}

// Stalls are how long a generation may produce nothing.
type Stalls struct {
	FirstToken time.Duration // from the request to the first byte, while nothing else moves; default 120 s
	Token      time.Duration // between two pieces; default 30 s
	// Idle is enough where requests wait and the runners' own processes show that
	// they compute nothing. It is counted in StallsEvery. Default 5 s.
	Idle time.Duration
	// Load bounds all that extends FirstToken: a model that is loading, and
	// other generations that still move while this one waits its turn. Default
	// 15 min. Ollama itself gives up a load that stands still for 5 min.
	Load time.Duration
}

// Timing are the periods of everything that is done again and again.
type Timing struct {
	VersionEvery   time.Duration // default 5 s
	VersionTimeout time.Duration // default 2 s
	VersionMisses  int           // in a row, before the API counts as unresponsive; default 3
	TagsEvery      time.Duration // default 10 s
	LoadedEvery    time.Duration // default 2 s
	StallsEvery    time.Duration // default 500 ms
	ProbeIdle      time.Duration // without a request, before a probe; default 60 s
	ProbeEvery     time.Duration // default 60 s
	ProbeTimeout   time.Duration // default 15 s
	ReadyEvery     time.Duration // while it starts; default 100 ms
	StartTimeout   time.Duration // from the start to the first answer; default 60 s
	StopGrace      time.Duration // from SIGTERM to SIGKILL; default 10 s
	BlockedRetry   time.Duration // while the port is taken, the program missing, …; default 30 s
	JobTimeout     time.Duration // of what systemd is told to do; default 90 s
	// StallHold is how long an attached instance stays degraded after its last
	// stalled generation went away, unless one succeeds before; default 60 s.
	StallHold time.Duration
	// FallbackHold is how long a model has to be in main memory that would fit on
	// the GPUs, before that is told; default 15 s.
	FallbackHold time.Duration
}

func orDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// withDefaults returns the configuration with every default filled in.
func (c Config) withDefaults() Config {
	orDefault(&c.Mode, ModeAuto)
	orDefault(&c.Bin, "ollama")
	orDefault(&c.URL, "http://127.0.0.1:11434")
	if len(c.Keeper) == 0 {
		// This name also works when an upgrade has replaced the file.
		c.Keeper = []string{"/proc/self/exe", keeper.Subcommand}
	}
	orDefault(&c.Stalls.FirstToken, 120*time.Second)
	orDefault(&c.Stalls.Token, 30*time.Second)
	orDefault(&c.Stalls.Idle, 5*time.Second)
	orDefault(&c.Stalls.Load, 15*time.Minute)
	c.Restarts = c.Restarts.withDefaults()
	t := &c.Timing
	orDefault(&t.VersionEvery, 5*time.Second)
	orDefault(&t.VersionTimeout, 2*time.Second)
	orDefault(&t.VersionMisses, 3)
	orDefault(&t.TagsEvery, 10*time.Second)
	orDefault(&t.LoadedEvery, 2*time.Second)
	orDefault(&t.StallsEvery, 500*time.Millisecond)
	orDefault(&t.ProbeIdle, time.Minute)
	orDefault(&t.ProbeEvery, time.Minute)
	orDefault(&t.ProbeTimeout, 15*time.Second)
	orDefault(&t.ReadyEvery, 100*time.Millisecond)
	orDefault(&t.StartTimeout, time.Minute)
	orDefault(&t.StopGrace, 10*time.Second)
	orDefault(&t.BlockedRetry, 30*time.Second)
	orDefault(&t.JobTimeout, 90*time.Second)
	orDefault(&t.StallHold, time.Minute)
	orDefault(&t.FallbackHold, 15*time.Second)
	return c
}

// address checks a configuration with its defaults and returns the host and
// port of its URL.
func (c Config) address() (host string, port uint16, err error) {
	switch c.Mode {
	case ModeAuto, ModeSystemd, ModeManaged, ModeAttached:
	default:
		return "", 0, fault.New(fault.Invalid, "there is no ollama mode %q; there are auto, systemd, managed and attached", c.Mode)
	}
	if c.Instance == "" {
		return "", 0, fault.New(fault.Invalid, "an ollama instance needs a name")
	}
	if !filepath.IsAbs(c.DataDir) {
		return "", 0, fault.New(fault.Invalid, "the data folder of ollama instance %q must be an absolute path, not %q", c.Instance, c.DataDir)
	}
	if err := c.Settings.check(); err != nil {
		return "", 0, err
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return "", 0, fault.New(fault.Invalid, "%q is no address of an Ollama; one looks like http://127.0.0.1:11434", c.URL)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "11434")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return "", 0, fault.New(fault.Invalid, "%q has no valid port", c.URL)
	}
	host, port = u.Hostname(), uint16(n)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, ipErr := netip.ParseAddr(host)
	switch {
	case c.Mode != ModeAttached && (ipErr != nil || !ip.IsLoopback()):
		// Ollama knows no users: whoever reaches it owns it.
		return "", 0, fault.New(fault.Invalid, "an Ollama of the agent serves on this machine alone, so %q must name a loopback address", c.URL)
	case c.Mode == ModeAttached && port == 0:
		return "", 0, fault.New(fault.Invalid, "%q has no port to attach to", c.URL)
	case c.Mode == ModeSystemd && port == 0:
		return "", 0, fault.New(fault.Invalid, "%q has no port; a unit of systemd has the same one at each start", c.URL)
	}
	return host, port, nil
}

// unit is the instance's unit of systemd.
func (c Config) unit() *systemd.Unit {
	u := c.Unit
	orDefault(&u.Name, "corral-ollama@"+c.Instance+".service")
	return &u
}

// logsDir is where the output of the runs is kept.
func (c Config) logsDir() string { return filepath.Join(c.DataDir, "logs") }
