package settings

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/config"
)

const (
	minSecretBytes      = 32
	maxTimeoutSeconds   = 24 * 60 * 60
	maxLogRetentionDays = 3650
	maxDeadAfterSeconds = 30 * 24 * 60 * 60
)

var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// Validate implements [config.Validator].
func (s *Server) Validate(report config.Report) {
	if _, err := netip.ParseAddr(s.Host); err != nil && !isHostname(s.Host) {
		report("host", "%q is neither an address nor a host name", s.Host)
	}
	within(report, "port", int64(s.Port), 0, math.MaxUint16)
	within(report, "max_connections", int64(s.MaxConnections), 0, math.MaxInt32)
	within(report, "timeout", int64(s.TimeoutSeconds), 1, maxTimeoutSeconds)
	if !slices.Contains(logLevels, s.LogLevel) {
		report("log_level", "%q is not one of %s", s.LogLevel, strings.Join(logLevels, ", "))
	}
	for i, origin := range s.CORSOrigins {
		if !isOrigin(origin) {
			report(fmt.Sprintf("cors_origins[%d]", i), "%q is not an origin, such as http://localhost:3000, in lower case and without a path", origin)
		}
	}
}

// Validate implements [config.Validator].
func (m *Models) Validate(report config.Report) {
	within(report, "max_model_size", int64(m.MaxModelSize), 0, math.MaxInt64)
	within(report, "cache_size", int64(m.CacheSize), 0, math.MaxInt64)
	within(report, "fetch_rate", int64(m.FetchRate), 0, math.MaxInt64)
	within(report, "send_rate", int64(m.SendRate), 0, math.MaxInt64)
	within(report, "batch_size", int64(m.BatchSize), 0, math.MaxInt32)
	within(report, "max_tokens", int64(m.MaxTokens), 0, math.MaxInt32)
}

// Validate implements [config.Validator].
func (s *Security) Validate(report config.Report) {
	if !slices.Contains(fleet.Roles(), s.AnonymousRole) {
		report("anonymous_role", "%q is not one of viewer, inference, operator, admin", s.AnonymousRole)
	}
	for i, text := range s.AllowedIPs {
		if _, err := parsePrefix(text); err != nil {
			report(fmt.Sprintf("allowed_ips[%d]", i), "%q is neither an address nor a CIDR, such as 192.168.0.0/16", text)
		}
	}
	within(report, "rate_limit", int64(s.RateLimitPerMinute), 0, math.MaxInt32)
	if n := len(s.JWTSecret.Reveal()); n > 0 && n < minSecretBytes {
		report("jwt_secret", "has %d bytes; at least %d are needed, or none to have one made", n, minSecretBytes)
	}
}

// Validate implements [config.Validator].
func (m *Monitoring) Validate(report config.Report) {
	within(report, "prometheus_port", int64(m.PrometheusPort), 0, math.MaxUint16)
	within(report, "log_retention", int64(m.LogRetentionDays), 1, maxLogRetentionDays)
}

// Validate implements [config.Validator].
func (f *Fleet) Validate(report config.Report) {
	within(report, "dead_after", int64(f.DeadAfterSeconds), 0, maxDeadAfterSeconds)
}

// Validate implements [config.Validator].
func (a *AppConfig) Validate(report config.Report) {
	if port := a.Monitoring.PrometheusPort; port != 0 && port == a.Server.Port {
		report("monitoring.prometheus_port", "is the server's own port %d; 0 serves /metrics there", port)
	}
}

func within(report config.Report, field string, n, least, most int64) {
	if n >= least && n <= most {
		return
	}
	if most == math.MaxInt64 {
		report(field, "%d is less than %d", n, least)
		return
	}
	report(field, "%d is not from %d to %d", n, least, most)
}

// isHostname reports whether text is a DNS name as far as a listener needs it.
func isHostname(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		rest := strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
		if label == "" || len(label) > 63 || rest != "" {
			return false
		}
	}
	return true
}

// isOrigin reports whether text is "*" or what a browser sends as Origin.
func isOrigin(text string) bool {
	if text == "*" {
		return true
	}
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && !strings.Contains(u.Host, "*") && text == strings.ToLower(u.Scheme+"://"+u.Host)
}
