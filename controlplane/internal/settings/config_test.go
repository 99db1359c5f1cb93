package settings_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

// start loads the settings as a start of the program does, with a file of this
// text where it is not empty.
func start(t *testing.T, file string, environ []string, args ...string) (settings.Loaded, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	settings.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return settings.Load(environ, flags)
}

func TestListenGivesHostAndPortTheirOrigin(t *testing.T) {
	for name, tc := range map[string]struct {
		file, env, flag string
		host            string
		port            int
		pinned          string // origin of server.port, empty where it may be changed
		fault           string
	}{
		"flag":                       {flag: "--listen=127.0.0.1:0", host: "127.0.0.1", port: 0, pinned: "--listen"},
		"flag over file":             {file: "server: {port: 1, host: 10.0.0.1}", flag: "--listen=[::1]:2", host: "::1", port: 2, pinned: "--listen"},
		"variable":                   {env: "CORRAL_CONTROLPLANE_LISTEN=:3", host: "0.0.0.0", port: 3, pinned: "CORRAL_CONTROLPLANE_LISTEN"},
		"file pins nothing":          {file: "listen: localhost:4", host: "localhost", port: 4},
		"a variable over the file's": {file: "listen: localhost:4", env: "CORRAL_CONTROLPLANE_SERVER_PORT=5", host: "localhost", port: 5, pinned: "CORRAL_CONTROLPLANE_SERVER_PORT"},
		"contradiction":              {file: "listen: localhost:4\nserver: {port: 5}", fault: "listen: contradicts server.port"},
		"agreement":                  {file: "listen: localhost:4\nserver: {port: 4}", host: "localhost", port: 4},
		"no port":                    {flag: "--listen=localhost", fault: `--listen: listen: "localhost" is not HOST:PORT`},
		"no such port":               {flag: "--listen=localhost:70000", fault: `--listen: listen: "localhost:70000" is not HOST:PORT`},
	} {
		t.Run(name, func(t *testing.T) {
			var args, environ []string
			if tc.flag != "" {
				args = []string{tc.flag}
			}
			if tc.env != "" {
				environ = []string{tc.env}
			}
			loaded, err := start(t, tc.file, environ, args...)
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fault) {
					t.Fatalf("got %v, want %s", err, tc.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s := loaded.Config.App.Server
			origin := loaded.Origins.Of("server.port")
			if s.Host != tc.host || s.Port != tc.port || origin.Pinned() != (tc.pinned != "") {
				t.Errorf("listens on %s port %d, origin %v", s.Host, s.Port, origin)
			}
			if tc.pinned != "" && origin.String() != tc.pinned {
				t.Errorf("pinned by %v, want %s", origin, tc.pinned)
			}
		})
	}
}

func TestEveryFieldIsValidated(t *testing.T) {
	_, err := start(t, `
data_dir: ""
log_format: xml
server:
  host: "a b"
  port: 70000
  max_connections: -1
  timeout: 0
  log_level: loud
  cors_origins: ["*", "http://x:1", "http://X", "http://x/", "x", "null", "https://*.x"]
models:
  max_model_size: -1
  cache_size: -1GiB
  batch_size: -1
  max_tokens: 3000000000
security:
  anonymous_role: root
  allowed_ips: ["10.0.0.1", "10.0.0.0/8", "::1", "10.0.0.0/33", "x", "fe80::1%eth0"]
  rate_limit: -1
  jwt_secret: too-short
monitoring:
  prometheus_port: -1
  log_retention: 0
routing:
  queue_length: 0
  queue_timeout: -1
  request_timeout: 86401
  breaker_failures: -1
  breaker_ratio: 1.5
  breaker_pause: 0
  retries: 11
  retry_share: -0.1
fleet:
  dead_after: -1
`, nil)
	want := []string{
		"2: data_dir: has to name a folder",
		`3: log_format: "xml" is neither text nor json`,
		`5: server.host: "a b" is neither an address nor a host name`,
		"6: server.port: 70000 is not from 0 to 65535",
		"7: server.max_connections: -1 is not from 0 to 2147483647",
		"8: server.timeout: 0 is not from 1 to 86400",
		`9: server.log_level: "loud" is not one of trace, debug, info, warn, error`,
		`10: server.cors_origins[2]: "http://X" is not an origin, such as http://localhost:3000, in lower case and without a path`,
		`10: server.cors_origins[3]: "http://x/" is not an origin, such as http://localhost:3000, in lower case and without a path`,
		`10: server.cors_origins[4]: "x" is not an origin, such as http://localhost:3000, in lower case and without a path`,
		`10: server.cors_origins[5]: "null" is not an origin, such as http://localhost:3000, in lower case and without a path`,
		`10: server.cors_origins[6]: "https://*.x" is not an origin, such as http://localhost:3000, in lower case and without a path`,
		"12: models.max_model_size: -1 is less than 0",
		"13: models.cache_size: -1073741824 is less than 0",
		"14: models.batch_size: -1 is not from 0 to 2147483647",
		"15: models.max_tokens: 3000000000 is not from 0 to 2147483647",
		`17: security.anonymous_role: "root" is not one of viewer, inference, operator, admin`,
		`18: security.allowed_ips[3]: "10.0.0.0/33" is neither an address nor a CIDR, such as 192.168.0.0/16`,
		`18: security.allowed_ips[4]: "x" is neither an address nor a CIDR, such as 192.168.0.0/16`,
		`18: security.allowed_ips[5]: "fe80::1%eth0" is neither an address nor a CIDR, such as 192.168.0.0/16`,
		"19: security.rate_limit: -1 is not from 0 to 2147483647",
		"20: security.jwt_secret: has 9 bytes; at least 32 are needed, or none to have one made",
		"22: monitoring.prometheus_port: -1 is not from 0 to 65535",
		"23: monitoring.log_retention: 0 is not from 1 to 3650",
		"25: routing.queue_length: 0 is not from 1 to 1048576",
		"26: routing.queue_timeout: -1 is not from 0 to 86400",
		"27: routing.request_timeout: 86401 is not from 0 to 86400",
		"28: routing.breaker_failures: -1 is not from 0 to 2147483647",
		"29: routing.breaker_ratio: 1.5 is not from 0 to 1",
		"30: routing.breaker_pause: 0 is not from 1 to 3600",
		"31: routing.retries: 11 is not from 0 to 10",
		"32: routing.retry_share: -0.1 is not from 0 to 1",
		"34: fleet.dead_after: -1 is not from 0 to 2592000",
	}
	if err == nil {
		t.Fatal("no fault")
	}
	var got []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, line, _ = strings.Cut(line, "c.yaml:")
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := start(t, "monitoring: {prometheus_port: 11435}", nil); err == nil || !strings.Contains(err.Error(), "is the server's own port 11435") {
		t.Errorf("two listeners on one port: %v", err)
	}
}

func TestCallsWithoutAKeyBeyondLoopback(t *testing.T) {
	for name, tc := range map[string]struct {
		args    []string
		refused bool
	}{
		"every address":      {nil, true},
		"another address":    {[]string{"--listen=10.0.0.1:1"}, true},
		"a name":             {[]string{"--listen=example.org:1"}, true},
		"IPv4 loopback":      {[]string{"--listen=127.1.2.3:1"}, false},
		"IPv6 loopback":      {[]string{"--listen=[::1]:1"}, false},
		"IPv4 in IPv6":       {[]string{"--listen=[::ffff:127.0.0.1]:1"}, false},
		"localhost":          {[]string{"--server-host=localhost"}, false},
		"allowed addresses":  {[]string{"--security-allowed-ips=10.0.0.0/8"}, false},
		"started unguarded":  {[]string{"--insecure"}, false},
		"no allowed address": {[]string{"--security-allowed-ips="}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, "", nil, append(tc.args, "--security-api-key-required=false")...)
			if (err != nil) != tc.refused {
				t.Fatalf("refused is %v, want %v", err, tc.refused)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "--security-api-key-required: security.api_key_required: cannot be false while the server listens on ") {
				t.Error(err)
			}
		})
	}
}

func TestAllowedPrefixes(t *testing.T) {
	s := settings.Security{AllowedIPs: []string{"10.1.2.3", "10.1.2.3/8", "::1", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "2001:db8::/32"}}
	var got []string
	for _, p := range s.AllowedPrefixes() {
		got = append(got, p.String())
	}
	want := []string{"10.1.2.3/32", "10.0.0.0/8", "::1/128", "10.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !s.AllowedPrefixes()[1].Contains(netip.MustParseAddr("10.9.9.9")) {
		t.Error("a prefix with host bits does not hold its network")
	}
}
