package settings

import (
	"net"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/corral-fleet/corral/sdk/config"
)

// EnvPrefix begins the names of the control plane's environment variables.
const EnvPrefix = "CORRAL_CONTROLPLANE"

// Config is everything that the control plane is started with.
type Config struct {
	DataDir   string    `yaml:"data_dir" help:"folder that holds the state; made when it is missing"`
	Listen    string    `yaml:"listen" help:"HOST:PORT in place of server.host and server.port; port 0 picks a free one"`
	PluginDir string    `yaml:"plugin_dir" help:"folder of the plugins that came with the program, which need not be writable; empty is the program's own"`
	Insecure  bool      `yaml:"insecure" help:"let callers without a key in although the server can be reached from elsewhere"`
	LogFormat string    `yaml:"log_format" help:"text or json"`
	App       AppConfig `yaml:",inline"`

	Storages config.Objects `yaml:"storages" help:"places where files are kept; each has name, plugin and config, and its secrets apart"`
}

// Default returns what the control plane is started with when nobody says otherwise.
func Default() Config {
	return Config{DataDir: "/var/lib/corral-controlplane", LogFormat: "text", App: DefaultApp()}
}

// Loaded is a [Config] with the origin of each of its fields.
type Loaded struct {
	Config  Config
	Origins config.Origins
}

// BindFlags adds the flags of every setting, and --config.
func BindFlags(flags *pflag.FlagSet) {
	cfg := Default()
	config.BindFlags(flags, &cfg)
}

// Load reads the settings from defaults, file, environment (as [os.Environ]
// has it) and parsed flags, which may be nil. An error is a [*config.Faults]
// with everything that is wrong.
func Load(environ []string, flags *pflag.FlagSet) (Loaded, error) {
	cfg := Default()
	origins, err := config.Load(&cfg, config.Source{Prefix: EnvPrefix, Environ: environ, Flags: flags})
	if err != nil {
		return Loaded{}, err
	}
	return Loaded{Config: cfg, Origins: origins}, nil
}

// Resolve implements [config.Resolver]: listen gives host and port their values
// and its origin, unless a higher layer sets them.
func (c *Config) Resolve(origins config.Origins, report config.Report) {
	if c.Listen == "" {
		return
	}
	host, port, err := splitListen(c.Listen)
	if err != nil {
		report("listen", "%q is not HOST:PORT, such as 127.0.0.1:11435", c.Listen)
		return
	}
	from := origins.Of("listen")
	takes := func(path string, same bool) bool {
		other := origins.Of(path)
		if other.Layer == from.Layer && !same {
			report("listen", "contradicts %s (%s)", path, other)
			return false
		}
		return other.Layer <= from.Layer
	}
	if takes("server.host", host == c.App.Server.Host) {
		c.App.Server.Host, origins["server.host"] = host, from
	}
	if takes("server.port", port == c.App.Server.Port) {
		c.App.Server.Port, origins["server.port"] = port, from
	}
}

// splitListen reads HOST:PORT; without a host it is every address.
func splitListen(listen string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		host = DefaultApp().Server.Host
	}
	return host, int(number), nil
}

// Validate implements [config.Validator].
func (c *Config) Validate(report config.Report) {
	if c.DataDir == "" {
		report("data_dir", "has to name a folder")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		report("log_format", "%q is neither text nor json", c.LogFormat)
	}
	c.validateStorages(report)
	if c.opensTo(c.App.Server.Host) {
		report(apiKeyRequired, "%s", openMessage(c.App.Server.Host))
	}
}
