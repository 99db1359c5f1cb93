package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// settings has a field of every kind that a program may use.
type settings struct {
	DataDir  string            `yaml:"data_dir" help:"where the state is kept"`
	Token    config.Secret     `yaml:"token" flag:"token" help:"a join token"`
	Labels   map[string]string `yaml:"labels" flag:"label" help:"labels of this host"`
	Interval time.Duration     `yaml:"interval" help:"time between two samples"`
	Derived  string            `yaml:"-"`
	Server   server            `yaml:"server"`
	Inline   storage           `yaml:",inline"`
}

type server struct {
	Port     int           `yaml:"port" help:"port to listen on"`
	LogLevel string        `yaml:"log_level" flag:"log-level" help:"trace to error"`
	Origins  []string      `yaml:"origins" help:"allowed origins"`
	Key      config.Secret `yaml:"key" help:"signs sessions"`
}

type storage struct {
	Limit config.Size `yaml:"limit" help:"most bytes kept"`
	Bind  netip.Addr  `yaml:"bind" help:"address to bind to"`
	Ratio float64     `yaml:"ratio" flag:"-" help:"share of the disk"`
	Count uint8       `yaml:"count" help:"how many"`
	Fast  bool        `yaml:"fast" help:"skip checks"`
}

func (s *server) Validate(report config.Report) {
	if s.Port < 1 || s.Port > 65535 {
		report("port", "%d is not a port (1 to 65535)", s.Port)
	}
	if s.LogLevel != "info" && s.LogLevel != "debug" {
		report("log_level", "%q is neither info nor debug", s.LogLevel)
	}
}

func (s *settings) Validate(report config.Report) {
	if s.Interval <= 0 {
		report("interval", "%v is not positive", s.Interval)
	}
}

func (s *settings) Resolve(origins config.Origins, _ config.Report) {
	s.Derived = origins.Of("server.port").String()
}

func defaults() settings {
	return settings{
		DataDir: "/var/lib/x", Interval: time.Second, Labels: map[string]string{},
		Server: server{Port: 80, LogLevel: "info", Origins: []string{"http://a"}},
		Inline: storage{Limit: 1 << 30, Bind: netip.MustParseAddr("127.0.0.1"), Ratio: 0.5, Count: 3},
	}
}

// load runs a program's start: flags, a file with this text (none when it is
// empty) and the environment.
func load(t *testing.T, file string, environ []string, args ...string) (settings, config.Origins, error) {
	t.Helper()
	cfg := defaults()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.BindFlags(flags, &cfg)
	if err := flags.Parse(args); err != nil {
		t.Fatalf("parse flags: %v", err)
	}
	from := config.Source{Prefix: "X", Environ: environ, Flags: flags}
	if file != "" {
		t.Chdir(t.TempDir())
		write(t, "x.yaml", file)
		from.File = "x.yaml"
	}
	origins, err := config.Load(&cfg, from)
	return cfg, origins, err
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsStandWhereNothingIsSet(t *testing.T) {
	cfg, origins, err := load(t, "# nothing but a comment\nserver:\n  # port: 1\n", []string{"X_DATA_DIR=", "HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Derived = "default"
	if diff := cmp.Diff(want, cfg, compareAddr()); diff != "" {
		t.Error(diff)
	}
	if len(origins) != 0 {
		t.Errorf("origins of defaults: %v", origins)
	}
}

func TestEachLayerStandsOverTheOnesBefore(t *testing.T) {
	file := "server:\n  port: 1\n  log_level: debug\n  origins: [http://b, http://c]\nlimit: 2MiB\nbind: \"::1\"\nratio: 1\nfast: true\n"
	environ := []string{"X_SERVER_PORT=2", "X_LIMIT=3GB", "X_LABELS=rack=1, row=2", "X_COUNT=9"}
	cfg, origins, err := load(t, file, environ, "--server-port=3", "--label=rack=a,b", "--label", "zone=", "--interval", "5s", "--token=crt_1")
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Token = config.NewSecret("crt_1")
	want.Derived = "--server-port"
	want.Interval = 5 * time.Second
	want.Labels = map[string]string{"rack": "a,b", "zone": ""}
	want.Server = server{Port: 3, LogLevel: "debug", Origins: []string{"http://b", "http://c"}}
	want.Inline = storage{Limit: 3e9, Bind: netip.MustParseAddr("::1"), Ratio: 1, Count: 9, Fast: true}
	if diff := cmp.Diff(want, cfg, compareAddr()); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"server.port": "--server-port", "server.log_level": "x.yaml:3", "server.origins[1]": "x.yaml:4",
		"limit": "X_LIMIT", "count": "X_COUNT", "labels": "--label", "data_dir": "default",
	} {
		if got := origins.Of(path).String(); got != want {
			t.Errorf("origin of %s is %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]bool{"server.port": true, "limit": true, "bind": false, "data_dir": false} {
		if got := origins.Of(path).Pinned(); got != want {
			t.Errorf("%s pinned is %v, want %v", path, got, want)
		}
	}
}

func TestEveryFaultOfEveryLayerIsListedInOrder(t *testing.T) {
	file := `prot: 1
server:
  port: 70000
  log_level: loud
  origins: http://a
  port: 80
limit: [1]
bind: nowhere
ratio: much
count: 300
labels: {rack: 12, rack: "a"}
data_dir: 12
fast: yes
`
	environ := []string{"X_INTERVAL=fast", "X_SERVR_PORT=1", "X_PORT_80_TCP=tcp://10.0.0.1:80", "X_SERVICE_HOST=10.0.0.1"}
	_, _, err := load(t, file, environ, "--count=-1", "--label=x", "--limit=1e3")
	want := []string{
		"x.yaml:1: prot: unknown key; known here: data_dir, token, labels, interval, server, limit, bind, ratio, count, fast",
		`x.yaml:4: server.log_level: "loud" is neither info nor debug`,
		"x.yaml:5: server.origins: wants a list, not text",
		"x.yaml:6: server.port: is there twice",
		"x.yaml:7: limit: wants a size, such as 20GiB, not a list",
		`x.yaml:8: bind: "nowhere" is not valid: ParseAddr("nowhere"): unable to parse IP`,
		"x.yaml:9: ratio: wants a number, not text",
		"x.yaml:10: count: 300 is out of range",
		"x.yaml:11: labels.rack: wants text, not a number; put it in quotes",
		"x.yaml:11: labels.rack: is there twice",
		"x.yaml:12: data_dir: wants text, not a number; put it in quotes",
		"x.yaml:13: fast: wants true or false, not text",
		`X_INTERVAL: interval: "fast" is not a duration, such as 30s or 1h30m`,
		"X_SERVR_PORT: unknown variable",
		"--count: count: -1 is out of range",
		`--label: labels: "x" is not of the form key=value`,
		`--limit: limit: "1e3" is not a size, such as 20GiB or 1048576`,
	}
	faults, ok := errors.AsType[*config.Faults](err)
	if !ok {
		t.Fatalf("error is %T: %v", err, err)
	}
	if diff := cmp.Diff(want, strings.Split(faults.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("kind is %v", fault.KindOf(err))
	}
	if message := fault.MessageOf(err); strings.Contains(message, "\n") || !strings.Contains(message, "; ") {
		t.Errorf("message for users is not one sentence: %q", message)
	}
}

func TestValidationNamesTheLineOfTheFile(t *testing.T) {
	_, _, err := load(t, "interval: 0s\nserver:\n\n  port: 70000\n", nil, "--log-level=loud")
	want := "x.yaml:1: interval: 0s is not positive\n" +
		"x.yaml:4: server.port: 70000 is not a port (1 to 65535)\n" +
		`--log-level: server.log_level: "loud" is neither info nor debug`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}

func TestWhatYAMLMayNotDo(t *testing.T) {
	for _, tc := range []struct{ file, want string }{
		{"a: &x 1\n", "x.yaml:1: anchors and aliases are not allowed"},
		{"server: &s\n  port: 1\n", "x.yaml:1: anchors and aliases are not allowed"},
		{"labels: {a: &x b, c: *x}\n", "x.yaml:1: anchors and aliases are not allowed"},
		{"data_dir: !!binary aGk=\n", "x.yaml:1: the tag !!binary is not allowed"},
		{"? [1]\n: 2\n", "x.yaml:1: a key is plain text"},
		{"interval: 1s\n---\ninterval: 2s\n", "x.yaml:2: a second document begins here"},
		{"- 1\n", "x.yaml:1: wants a section with keys, not a list"},
		{"server: 1\n", "x.yaml:1: server: wants a section with keys, not a number"},
		{"interval: 30\n", "x.yaml:1: interval: wants a duration with its unit, such as 30s, not a number"},
		{"server:\n  port:\n", "x.yaml:2: server.port: has no value"},
		{"count: 1.5\n", "x.yaml:1: count: wants a whole number, not a number with a fraction"},
		{"ratio: .nan\n", `x.yaml:1: ratio: ".nan" is not a finite number`},
		{"data_dir: 2024-01-01\n", "x.yaml:1: data_dir: wants text, not a date"},
		{"count: 0x10\n", `x.yaml:1: count: "0x10" is not a whole number`},
		{"interval: 1s\ndata_dir: [a\nserver:\n", "x.yaml:"},
		{"interval: 1s\ncount: 1\n  fast: true\n", "x.yaml:3: not valid YAML: mapping values are not allowed"},
		{"interval: 1s\n\tcount: 1\n", "x.yaml:2: not valid YAML: found a tab character that violates indentation"},
		{"fast: true\n}\n", "x.yaml:2: not valid YAML: did not find expected"},
		{"labels:\n  a: b\n - c\n", "x.yaml:"},
		{strings.Repeat("[", 200), "x.yaml:"},
		{strings.Repeat("{a: ", 40) + strings.Repeat("}", 40), "sections nest too deeply"},
		{"data_dir: " + strings.Repeat("x", 1<<20), "x.yaml: is larger than 1MiB"},
	} {
		_, _, err := load(t, tc.file, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60q:\ngot  %v\nwant %s", tc.file, err, tc.want)
		}
	}
}

func TestTheFileIsFoundByFlagThenVariable(t *testing.T) {
	dir := t.TempDir()
	byFlag := write(t, filepath.Join(dir, "flag.yaml"), "count: 1")
	byVariable := write(t, filepath.Join(dir, "variable.yaml"), "count: 2")
	environ := []string{"X_CONFIG=" + byVariable}
	cfg, _, err := load(t, "count: 7", environ, "--config", byFlag)
	if err != nil || cfg.Inline.Count != 1 {
		t.Errorf("with both: count %d, %v", cfg.Inline.Count, err)
	}
	cfg, _, err = load(t, "count: 7", environ)
	if err != nil || cfg.Inline.Count != 2 {
		t.Errorf("with the variable: count %d, %v", cfg.Inline.Count, err)
	}
	_, _, err = load(t, "", nil, "--config", filepath.Join(dir, "none.yaml"))
	if want := filepath.Join(dir, "none.yaml") + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("missing file: %v, want %s", err, want)
	}
}

func TestFlagsCarryHelpAndDefaults(t *testing.T) {
	cfg := defaults()
	cfg.Token = config.NewSecret("do-not-print")
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.BindFlags(flags, &cfg)
	got := map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) { got[f.Name] = f.Value.Type() + " " + f.DefValue })
	want := map[string]string{
		"config": "string ", "data-dir": "string /var/lib/x", "token": "string [redacted]", "label": "key=value ",
		"interval": "duration 1s", "server-port": "int 80", "log-level": "string info", "server-origins": "list http://a",
		"limit": "size 1GiB", "bind": "string 127.0.0.1", "count": "uint 3", "fast": "bool false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if usage := flags.FlagUsages(); !strings.Contains(usage, "time between two samples") || strings.Contains(usage, "do-not-print") {
		t.Error(usage)
	}
	loaded, _, err := load(t, "", nil, "--fast", "--server-origins=", "--server-origins", "http://b,http://c")
	if err != nil || !loaded.Inline.Fast || len(loaded.Server.Origins) != 2 {
		t.Errorf("%+v, %v", loaded, err)
	}
}

func TestBugsInTheStructPanic(t *testing.T) {
	for name, cfg := range map[string]any{
		"not a pointer": settings{},
		"no key":        &struct{ A string }{},
		"no such type": &struct {
			A chan int `yaml:"a"`
		}{},
		"shared variable": &struct {
			A string `yaml:"a_b"`
			B struct {
				C string `yaml:"b"`
			} `yaml:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			config.Fields(cfg)
		})
	}
}

func compareAddr() cmp.Option {
	return cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
}
