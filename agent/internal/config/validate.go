package config

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	maxServers   = 16
	maxLabels    = 32
	maxNameBytes = 128 // of a host's name and of a label's value

	// maxSocketPath is the longest path that the kernel takes for a unix socket.
	maxSocketPath = 107

	minSampleInterval = 100 * time.Millisecond
	maxSampleInterval = time.Minute

	maxDrainGrace = time.Hour
)

// labelKey is what the key of a label looks like, such as "rack" or "example.com/gpu".
var labelKey = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)

// Validate implements [config.Validator].
func (c *Config) Validate(report config.Report) {
	if c.DataDir == "" {
		report("data_dir", "is needed")
	}
	c.validateServers(report)
	if c.ServerCAFile != "" && !filepath.IsAbs(c.ServerCAFile) {
		report("server_ca_file", "%q is not an absolute path", c.ServerCAFile)
	}
	if c.ModelWorker != "" && !filepath.IsAbs(c.ModelWorker) {
		report("model_worker", "%q is not an absolute path", c.ModelWorker)
	}
	if c.Token.IsSet() {
		if _, err := wire.ParseJoinToken(c.Token.Reveal()); err != nil {
			report("token", "%v", err)
		}
	}
	if wrong := nameFault(c.Name); wrong != "" {
		report("name", "%s", wrong)
	}
	c.validateLabels(report)
	c.validateStatusListen(report)
	oneOf(report, "log_level", c.LogLevel, "trace", "debug", "info", "warn", "error")
	oneOf(report, "log_format", c.LogFormat, "text", "json")
	if c.SampleInterval < minSampleInterval || c.SampleInterval > maxSampleInterval {
		report("sample_interval", "%v is not between %v and %v", c.SampleInterval, minSampleInterval, maxSampleInterval)
	}
	if c.DrainGrace < 0 || c.DrainGrace > maxDrainGrace {
		report("drain_grace", "%v is not between 0 and %v", c.DrainGrace, maxDrainGrace)
	}
}

func (c *Config) validateServers(report config.Report) {
	if len(c.Server) > maxServers {
		report("server", "%d addresses are more than %d", len(c.Server), maxServers)
		return
	}
	for i, server := range c.Server {
		field := fmt.Sprintf("server[%d]", i)
		switch {
		case slices.Contains(c.Server[:i], server):
			report(field, "%s is there twice", server)
		case server.exposed() && !c.Insecure:
			report(field, "%s has no TLS, which is for loopback alone; use https, or set insecure", server)
		}
	}
}

func (c *Config) validateLabels(report config.Report) {
	if len(c.Labels) > maxLabels {
		report("labels", "%d labels are more than %d", len(c.Labels), maxLabels)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		if !labelKey.MatchString(key) {
			report("labels", "the key %q is not made of up to 63 letters, digits and . _ / - between them", key)
		}
		if wrong := nameFault(c.Labels[key]); wrong != "" {
			report("labels", "the value of %q: %s", key, wrong)
		}
	}
}

// nameFault says what is wrong with a text that dashboards show in one line.
func nameFault(text string) string {
	switch {
	case len(text) > maxNameBytes:
		return fmt.Sprintf("is longer than %d bytes", maxNameBytes)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return fmt.Sprintf("%q has characters that cannot be printed", text)
	case strings.TrimSpace(text) != text:
		return fmt.Sprintf("%q begins or ends with a space", text)
	}
	return ""
}

func (c *Config) validateStatusListen(report config.Report) {
	network, address := c.StatusAddress()
	switch {
	case network == "unix" && len(address) > maxSocketPath:
		field := "status_listen"
		if c.StatusListen == "" {
			field = "data_dir"
		}
		report(field, "the path of the status socket, %s, is longer than the %d bytes that a socket's can have", address, maxSocketPath)
	case network == "unix" && c.StatusListen != "" && !filepath.IsAbs(address):
		report("status_listen", "%q is not an absolute path", address)
	case network == "tcp":
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" || !portInRange(port, 0) {
			report("status_listen", "%q is neither host:port nor unix:PATH", address)
		}
	}
}

func splitStatusListen(listen string) (network, address string) {
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		return "unix", path
	}
	return "tcp", listen
}

func oneOf(report config.Report, field, value string, known ...string) {
	if !slices.Contains(known, value) {
		report(field, "%q is none of %s", value, strings.Join(known, ", "))
	}
}
