package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

const example = "../../../configs/agent.example.yaml"

// load does what the program does with its flags, variables and file.
func load(t *testing.T, file string, environ []string, args ...string) (Config, config.Origins, error) {
	t.Helper()
	c := Default()
	flags := pflag.NewFlagSet("corral-agent", pflag.ContinueOnError)
	config.BindFlags(flags, &c)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	origins, err := config.Load(&c, config.Source{Prefix: Prefix, Environ: environ, Flags: flags, File: file})
	return c, origins, err
}

func TestExampleHasEveryKeyWithItsDefault(t *testing.T) {
	got, origins, err := load(t, example, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if changed := config.Changed(&want, &got); len(changed) > 0 {
		t.Errorf("the example differs from the defaults in %v", changed)
	}
	for _, f := range config.Fields(&want) {
		if origins.Of(f.Path).Layer != config.File {
			t.Errorf("the example lacks %s", f.Path)
		}
		if f.Help == "" {
			t.Errorf("%s has no help", f.Path)
		}
	}
}

func TestFlagsOfTheContract(t *testing.T) {
	token := newToken(t)
	got, _, err := load(t, "", []string{"CORRAL_AGENT_NAME=from-env", "CORRAL_AGENT_LOG_LEVEL=debug"},
		"--data-dir", "/d", "--server", "https://a:1,b:2", "--token", token, "--name", "n",
		"--label", "rack=a7", "--label", "owner=me, and you", "--ollama-mode", "managed", "--ollama-bin", "/o",
		"--ollama-url", "http://127.0.0.1:0", "--plugin-dir", "/p", "--gpu", "recorded:dgxh100", "--gpu-probe", "/q", "--status-listen", "127.0.0.1:0",
		"--ollama-stalls-token", "5s", "--log-format", "json", "--insecure", "--sample-interval", "500ms", "--demo-model")
	if err != nil {
		t.Fatal(err)
	}
	if got.Token.Reveal() != token {
		t.Error("the token is another one")
	}
	got.Token = config.Secret{}
	want := Config{
		DataDir: "/d", Server: []ServerURL{"https://a:1", "https://b:2"}, Name: "n",
		Labels: map[string]string{"rack": "a7", "owner": "me, and you"},
		Ollama: Ollama{
			Mode: ModeManaged, Bin: "/o", URL: "http://127.0.0.1:0",
			Settings: OllamaSettings{FlashAttention: FlashAttentionAuto},
			Stalls:   OllamaStalls{FirstToken: 2 * time.Minute, Token: 5 * time.Second, Idle: 5 * time.Second},
		},
		GPU: GPU{Source: "recorded:dgxh100", Probe: "/q"}, DemoModel: true, StatusListen: "127.0.0.1:0", PluginDir: "/p", Insecure: true,
		LogLevel: "debug", LogFormat: "json", SampleInterval: 500 * time.Millisecond, DrainGrace: 30 * time.Second,
	}
	if d := cmp.Diff(want, got, cmp.Comparer(config.Secret.Equal)); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}

func TestOllamaSettingsFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	text := "ollama:\n  settings: {keep_alive: \"-1\", num_parallel: 4, max_loaded_models: 2, context_length: 8192,\n" +
		"    flash_attention: on, kv_cache_type: q8_0, models_dir: /m}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := load(t, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := OllamaSettings{
		KeepAlive: "-1", NumParallel: 4, MaxLoadedModels: 2, ContextLength: 8192,
		FlashAttention: FlashAttentionOn, KVCacheType: "q8_0", ModelsDir: "/m",
	}
	if d := cmp.Diff(want, got.Ollama.Settings); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}

func TestTheTokenMayStandInAFile(t *testing.T) {
	token := newToken(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := load(t, "", []string{"CORRAL_AGENT_TOKEN_FILE=" + file})
	if err != nil {
		t.Fatal(err)
	}
	if got.Token.Reveal() != token {
		t.Errorf("token = %q", got.Token.Reveal())
	}
}

func TestServerAddresses(t *testing.T) {
	for text, want := range map[string]ServerURL{
		"https://corral.example.com":      "https://corral.example.com",
		"https://corral.example.com:8443": "https://corral.example.com:8443",
		"wss://host/behind/a/proxy/":      "wss://host/behind/a/proxy",
		"host:1234":                       "https://host:1234",
		"host":                            "https://host:11435",
		"10.0.0.1":                        "https://10.0.0.1:11435",
		"[2001:db8::1]":                   "https://[2001:db8::1]:11435",
		"[2001:db8::1]:1":                 "https://[2001:db8::1]:1",
		"HTTPS://host/":                   "https://host",
	} {
		got, _, err := load(t, "", nil, "--server", text)
		if err != nil || got.Server[0] != want {
			t.Errorf("--server %s is %v, %v; want %s", text, got.Server, err, want)
		}
	}
	for text, wrong := range map[string]string{
		"ftp://host":             `scheme "ftp"`,
		"https://":               "names no host",
		"https://host:99999":     "port",
		"https://host:0":         "port",
		"https://me:secret@host": "only a scheme",
		"https://host?key=1":     "only a scheme",
		"https://host:port":      "not an address",
		"::1":                    "not an address",
	} {
		_, _, err := load(t, "", nil, "--server", text)
		wantFaults(t, err, wrong)
	}
}

func TestTLSIsNeededBeyondThisMachine(t *testing.T) {
	for _, local := range []string{"ws://127.0.0.1:1", "http://localhost:1", "ws://[::1]:1", "http://127.9.9.9:1"} {
		if _, _, err := load(t, "", nil, "--server", local); err != nil {
			t.Errorf("%s: %v", local, err)
		}
	}
	for _, far := range []string{"ws://10.0.0.1:1", "http://host", "ws://localhost.example.com:1", "http://0.0.0.0:1"} {
		_, _, err := load(t, "", nil, "--server", far)
		wantFaults(t, err, "has no TLS")
		if _, _, err := load(t, "", nil, "--server", far, "--insecure"); err != nil {
			t.Errorf("%s with --insecure: %v", far, err)
		}
	}
}

func TestEveryFaultIsListedAtOnce(t *testing.T) {
	_, _, err := load(t, "", []string{"CORRAL_AGENT_TOKEN=crt_secret", "CORRAL_AGENT_OLLAMA_NUM_PARALLEL=-1"},
		"--data-dir", "", "--server", "ws://far,ws://far", "--name", "two\nlines", "--label", "a b=c", "--label", "d=\x00",
		"--ollama-mode", "service", "--ollama-url", "https://far:11434", "--ollama-keep-alive", "soon",
		"--ollama-flash-attention", "off", "--ollama-kv-cache-type", "q8_0", "--ollama-models-dir", "models",
		"--ollama-max-loaded-models", "9999", "--ollama-context-length", "many",
		"--gpu", "cuda", "--gpu-probe", "probe", "--status-listen", "nowhere", "--log-level", "loud", "--log-format", "xml", "--sample-interval", "1ms")
	wantFaults(t, err,
		"--data-dir: data_dir: is needed",
		"server[0]: ws://far has no TLS", "server[1]: ws://far is there twice",
		"CORRAL_AGENT_TOKEN: token: the join token is cut off",
		`name: "two\nlines" has characters`, `the key "a b"`, `the value of "d"`,
		`ollama.mode: "service" is none of`, "ollama.url: an Ollama that the agent may start listens on loopback",
		"ollama.settings.keep_alive", "kv_cache_type: q8_0 needs flash attention", "ollama.settings.models_dir",
		"ollama.settings.num_parallel", "ollama.settings.max_loaded_models", "ollama.settings.context_length",
		`gpu.source: "cuda" is none of auto`, `gpu.probe: "probe" is not an absolute path`,
		"status_listen", "log_level", "log_format", "sample_interval: 1ms",
	)
	if err != nil && strings.Contains(err.Error(), "crt_secret") {
		t.Errorf("the faults show the token:\n%v", err)
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("kind = %v", fault.KindOf(err))
	}
}

func TestWhatOneSettingMayNotBe(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		args  []string
		wrong string
	}{
		{[]string{"--ollama-mode", "magic"}, "none of auto"},
		{[]string{"--ollama-mode", "systemd", "--ollama-url", "http://127.0.0.1:0"}, "the same one at each start"},
		{[]string{"--ollama-mode", "managed", "--ollama-bin", "./ollama"}, "neither an absolute path"},
		{[]string{"--ollama-url", "127.0.0.1:11434"}, "not an address"},
		{[]string{"--ollama-url", "http://127.0.0.1:1/api"}, "only a scheme"},
		{[]string{"--ollama-url", "http://127.0.0.1:70000"}, "not a port"},
		{[]string{"--ollama-url", "http://127.0.0.1:0", "--ollama-mode", "attached"}, "port 0"},
		{[]string{"--ollama-url", "http://0.0.0.0:11434", "--ollama-mode", "managed"}, "loopback"},
		{[]string{"--ollama-kv-cache-type", "q2"}, "none of f16"},
		{[]string{"--ollama-flash-attention", "maybe"}, "none of auto"},
		{[]string{"--gpu", ""}, "none of auto"},
		{[]string{"--gpu", "recorded:"}, "recorded:NAME"},
		{[]string{"--name", long}, "longer than"},
		{[]string{"--name", " x"}, "space"},
		{[]string{"--name", "bad\xffbytes"}, "cannot be printed"},
		{[]string{"--label", "-=x"}, "the key"},
		{[]string{"--data-dir", "/" + long}, "data_dir: the path of the status socket"},
		{[]string{"--status-listen", "unix:/" + long}, "status_listen: the path of the status socket"},
		{[]string{"--status-listen", "unix:relative"}, "not an absolute path"},
		{[]string{"--status-listen", "host:"}, "neither host:port"},
		{[]string{"--sample-interval", "1h"}, "not between"},
		{[]string{"--drain-grace", "-1s"}, "drain_grace: -1s is not between"},
		{[]string{"--drain-grace", "2h"}, "drain_grace: 2h0m0s is not between"},
		{[]string{"--ollama-stalls-idle", "500ms"}, "ollama.stalls.idle: 500ms is under"},
		{[]string{"--server", strings.Repeat("h,", maxServers) + "h"}, "more than"},
	} {
		_, _, err := load(t, "", nil, c.args...)
		wantFaults(t, err, c.wrong)
	}
	tooMany := Default()
	for i := range maxLabels + 1 {
		tooMany.Labels[strings.Repeat("l", i+1)] = ""
	}
	wantFaults(t, config.Validate(&tooMany, nil), "33 labels")
}

func TestAnAttachedOllamaMayBeElsewhere(t *testing.T) {
	if _, _, err := load(t, "", nil, "--ollama-mode", "attached", "--ollama-url", "https://ollama:11434/"); err != nil {
		t.Error(err)
	}
}

func TestStatusAddress(t *testing.T) {
	for listen, want := range map[string][2]string{
		"":               {"unix", "/d/agent.sock"},
		"unix:/run/x":    {"unix", "/run/x"},
		"127.0.0.1:9000": {"tcp", "127.0.0.1:9000"},
		":0":             {"tcp", ":0"},
	} {
		c := Default()
		c.DataDir, c.StatusListen = "/d", listen
		if err := config.Validate(&c, nil); err != nil {
			t.Errorf("%q: %v", listen, err)
		}
		network, address := c.StatusAddress()
		if got := [2]string{network, address}; got != want {
			t.Errorf("%q is %v, want %v", listen, got, want)
		}
	}
}

func FuzzServerURL(f *testing.F) {
	for _, seed := range []string{"https://a:1/b", "a", "[::1]:2", "ws://x/%2f/", "a//", "h?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again ServerURL
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s)); err != nil || again != s {
			t.Errorf("%q is taken as %q, and that as %q, %v", text, s, again, err)
		}
		if u, err := s.URL(); err != nil || u.Hostname() == "" || u.User != nil {
			t.Errorf("%q is taken as %q: %v, %v", text, s, u, err)
		}
	})
}

func wantFaults(t *testing.T, err error, words ...string) {
	t.Helper()
	var faults *config.Faults
	if !errors.As(err, &faults) {
		t.Errorf("error = %v, want faults about %q", err, words)
		return
	}
	for _, w := range words {
		if !strings.Contains(faults.Error(), w) {
			t.Errorf("no fault says %q:\n%v", w, faults)
		}
	}
}

func newToken(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewJoinToken(authority).Reveal()
}
