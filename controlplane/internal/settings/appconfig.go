package settings

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/config"
)

// AppConfig is the settings that the API reads and writes. One that a
// [Manager] hands out is a snapshot that nobody may change. Encoded as JSON it
// is what the API answers, secrets hidden.
type AppConfig struct {
	Server     Server     `json:"server" yaml:"server"`
	Models     Models     `json:"models" yaml:"models"`
	Security   Security   `json:"security" yaml:"security"`
	Monitoring Monitoring `json:"monitoring" yaml:"monitoring"`
	Routing    Routing    `json:"routing" yaml:"routing"`
	Fleet      Fleet      `json:"fleet" yaml:"fleet"`
}

// Server is where the server listens and how it treats connections.
type Server struct {
	Host           string   `json:"host" yaml:"host" help:"address to listen on"`
	Port           int      `json:"port" yaml:"port" help:"port to listen on; 0 picks a free one"`
	MaxConnections int      `json:"max_connections" yaml:"max_connections" help:"open connections, agents not counted; past it 503; 0 is no limit"`
	TimeoutSeconds int      `json:"timeout" yaml:"timeout" help:"seconds to read a request's head, and to wait without progress on a body"`
	LogLevel       string   `json:"log_level" yaml:"log_level" flag:"log-level" help:"trace, debug, info, warn or error"`
	CORSOrigins    []string `json:"cors_origins" yaml:"cors_origins" help:"origins of the browsers that may call; * allows all without credentials"`
}

// Models is how models are taken in and run.
type Models struct {
	MaxModelSize        config.Size `json:"max_model_size" yaml:"max_model_size" help:"largest upload in bytes; 0 is no limit but the disk's"`
	CacheSize           config.Size `json:"cache_size" yaml:"cache_size" help:"bytes of models that each host keeps; 0 is no limit"`
	FetchRate           config.Size `json:"fetch_rate" yaml:"fetch_rate" help:"bytes a second of models that each host fetches; 0 is no limit"`
	SendRate            config.Size `json:"send_rate" yaml:"send_rate" help:"bytes a second of models that the server itself sends to hosts; 0 is no limit"`
	QuantizationEnabled bool        `json:"quantization_enabled" yaml:"quantization_enabled" help:"whether an import may ask for quantize"`
	GPUEnabled          bool        `json:"gpu_enabled" yaml:"gpu_enabled" help:"false makes hosts load models on the CPU alone"`
	BatchSize           int         `json:"batch_size" yaml:"batch_size" help:"num_batch where a request does not say; 0 leaves it to Ollama"`
	MaxTokens           int         `json:"max_tokens" yaml:"max_tokens" help:"the most num_predict that a request gets; 0 is no limit"`
}

// Security is who may call.
type Security struct {
	APIKeyRequired     bool          `json:"api_key_required" yaml:"api_key_required" help:"false lets calls without a key act as anonymous_role"`
	AnonymousRole      fleet.Role    `json:"anonymous_role" yaml:"anonymous_role" help:"viewer, inference, operator, or admin (from loopback only)"`
	AllowedIPs         []string      `json:"allowed_ips" yaml:"allowed_ips" help:"addresses and CIDRs that may call; empty allows all; loopback always may"`
	RateLimitPerMinute int           `json:"rate_limit" yaml:"rate_limit" help:"requests a minute a key, or an address without one; 0 is no limit"`
	JWTSecret          config.Secret `json:"jwt_secret" yaml:"jwt_secret" help:"signs dashboard sessions; at least 32 bytes; empty makes one at the first start"`
	RequireTLS         bool          `json:"require_tls" yaml:"require_tls" help:"refuse plain HTTP beyond loopback"`
}

// Monitoring is what the server tells about itself.
type Monitoring struct {
	MetricsEnabled   bool `json:"metrics_enabled" yaml:"metrics_enabled" help:"Prometheus exposition"`
	PrometheusPort   int  `json:"prometheus_port" yaml:"prometheus_port" help:"port of its own for /metrics; 0 serves it on the main one"`
	TracingEnabled   bool `json:"tracing_enabled" yaml:"tracing_enabled" help:"OTLP traces, to the endpoint that the OTEL_ variables name"`
	LogRetentionDays int  `json:"log_retention" yaml:"log_retention" help:"days that request, audit and host logs are kept"`
	Captures         bool `json:"captures" yaml:"captures" help:"keep what is asked of models and answered, as long as the log of requests"`
}

// Fleet is how hosts are watched.
type Fleet struct {
	DeadAfterSeconds int `json:"dead_after" yaml:"dead_after" help:"seconds without a host's agent until the host counts as dead; 0 is never"`
}

// DefaultApp returns the settings of a server that nobody configured.
func DefaultApp() AppConfig {
	return AppConfig{
		Server: Server{
			Host: "0.0.0.0", Port: 11435, MaxConnections: 10000, TimeoutSeconds: 30,
			LogLevel: "info", CORSOrigins: []string{"http://localhost:3000"},
		},
		Models:     Models{QuantizationEnabled: true, GPUEnabled: true},
		Security:   Security{APIKeyRequired: true, AnonymousRole: fleet.RoleOperator, AllowedIPs: []string{}},
		Monitoring: Monitoring{MetricsEnabled: true, LogRetentionDays: 14},
		Routing:    defaultRouting(),
		Fleet:      Fleet{DeadAfterSeconds: 600},
	}
}

// AllowedPrefixes returns AllowedIPs parsed, an address as a prefix of its full
// length. The settings have to be valid.
func (s Security) AllowedPrefixes() []netip.Prefix {
	prefixes := make([]netip.Prefix, 0, len(s.AllowedIPs))
	for _, text := range s.AllowedIPs {
		if prefix, err := parsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// parsePrefix reads an address or a CIDR. IPv4 within IPv6 becomes IPv4, which
// is how callers' addresses are compared.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// clone returns a copy that shares nothing with a.
func (a AppConfig) clone() AppConfig {
	a.Server.CORSOrigins = slices.Clone(a.Server.CORSOrigins)
	a.Security.AllowedIPs = slices.Clone(a.Security.AllowedIPs)
	return a
}

// AtStart returns the settings that take effect only when the server starts, by
// their paths.
func (a *AppConfig) AtStart() map[string]string {
	values := map[string]string{}
	for _, f := range config.Fields(a) {
		if needsRestart(f.Path) {
			values[f.Path] = fmt.Sprint(f.Value())
		}
	}
	return values
}

// needsRestart reports whether a change of this field takes effect only when
// the server starts again.
func needsRestart(path string) bool {
	switch path {
	case "server.host", "server.port", "monitoring.prometheus_port", "monitoring.tracing_enabled":
		return true
	}
	return false
}
