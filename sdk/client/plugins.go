package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Plugin is a program that does something for the control plane, and how it is.
type Plugin struct {
	Kind       string           `json:"kind"` // storage; empty for a file that is not known to be a plugin
	Name       string           `json:"name"`
	Version    string           `json:"version"`
	Publisher  string           `json:"publisher"`
	File       string           `json:"file"`
	SHA256     string           `json:"sha256"`
	Trusted    bool             `json:"trusted"`
	Trust      string           `json:"trust"` // what an operator types to trust it, where it isn't
	State      string           `json:"state"` // disabled, starting, ready, degraded or failed
	Message    string           `json:"message"`
	Since      *time.Time       `json:"since"`
	Previous   string           `json:"previous"` // the version that a rollback returns to; empty is none
	PID        int              `json:"pid"`      // 0 without a process
	StartedAt  *time.Time       `json:"started_at"`
	Restarts   int              `json:"restarts"`
	LastExit   *PluginExit      `json:"last_exit"` // of a process that ended by itself
	Unconfined []string         `json:"unconfined"`
	Metrics    PluginMetrics    `json:"metrics"`
	Instances  []PluginInstance `json:"instances"`
}

// PluginExit is how a process ended.
type PluginExit struct {
	At     time.Time `json:"at"`
	How    string    `json:"how"`
	Latest []string  `json:"latest"` // the last lines that it printed
}

// PluginMetrics is what a plugin has done since the server started.
type PluginMetrics struct {
	Calls         []PluginCalls `json:"calls"`
	Errors        int64         `json:"errors"`
	InFlight      int           `json:"in_flight"`
	BytesSent     int64         `json:"bytes_sent"`     // of files, to the plugin
	BytesReceived int64         `json:"bytes_received"` // of files
	RSSBytes      int64         `json:"rss_bytes"`      // 0 without a process
	CPUMillis     int64         `json:"cpu_ms"`
}

// PluginCalls is how often a call was made.
type PluginCalls struct {
	Name   string  `json:"name"`
	Count  int64   `json:"count"`
	Millis float64 `json:"mean_ms"`
}

// PluginInstance is what a plugin serves.
type PluginInstance struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Message   string `json:"message"`
	Breaker   string `json:"breaker"`
	Transfers int    `json:"transfers"`
}

// Plugins returns how the plugins are, and the files that are not run. It needs the
// role viewer.
func (c *Client) Plugins(ctx context.Context) ([]Plugin, error) {
	var all []Plugin
	err := c.ask(ctx, get("api", "plugins"), &all)
	return all, err
}

// RollbackPlugin has a plugin run the program that it ran before its last upgrade. It
// needs the role admin.
func (c *Client) RollbackPlugin(ctx context.Context, kind, name string) error {
	res, err := c.send(ctx, post("api", "plugins", kind, name, "rollback"))
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// ApprovedPlugin is a program that may be run.
type ApprovedPlugin struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Publisher string `json:"publisher"`
	SHA256    string `json:"sha256"`
}

// InstallPlugin uploads a plugin's program with its sha256. It is not run before it is
// approved. This and what follows need the role admin.
func (c *Client) InstallPlugin(ctx context.Context, program io.Reader, sizeBytes int64, sha256 string) error {
	var installed struct {
		SHA256 string `json:"sha256"`
	}
	what := post("api", "plugins")
	what.query = url.Values{"sha256": {sha256}}
	what.content, what.contentBytes = program, sizeBytes
	return c.ask(ctx, what, &installed)
}

// ApprovePlugin lets an installed program be run, in the place of another version of
// its plugin.
func (c *Client) ApprovePlugin(ctx context.Context, sha256 string) (ApprovedPlugin, error) {
	var p ApprovedPlugin
	err := c.ask(ctx, post("api", "plugins", sha256, "approve"), &p)
	return p, err
}

// RemovePlugin takes back the approval of an installed program, and removes it.
func (c *Client) RemovePlugin(ctx context.Context, sha256 string) error {
	res, err := c.send(ctx, call{method: http.MethodDelete, path: []string{"api", "plugins", sha256}})
	if err != nil {
		return err
	}
	return res.Body.Close()
}
