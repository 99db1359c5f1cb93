package api

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/plugins"
)

// Plugin is a program that does something for us, and how it is.
type Plugin struct {
	Kind       string           `json:"kind"` // storage; empty for a file that is not known to be a plugin
	Name       string           `json:"name"`
	Version    string           `json:"version"`
	Publisher  string           `json:"publisher"`
	File       string           `json:"file"`
	SHA256     string           `json:"sha256"`
	Trusted    bool             `json:"trusted"`
	Trust      string           `json:"trust"` // what an operator types to trust it, where it isn't
	State      string           `json:"state"`
	Message    string           `json:"message"` // a sentence for the state; may be empty
	Since      *time.Time       `json:"since"`
	Previous   string           `json:"previous"` // the version that a rollback returns to; empty is none
	PID        int              `json:"pid"`      // 0 without a process
	StartedAt  *time.Time       `json:"started_at"`
	Restarts   int              `json:"restarts"`
	LastExit   *PluginExit      `json:"last_exit"` // of a process that ended by itself; nil is none
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

func (a *API) plugins(context.Context, *edge.Request) (*edge.Response, error) {
	list := []Plugin{}
	for _, s := range a.Plugins.Plugins() {
		list = append(list, pluginOf(&s))
	}
	return edge.JSON(200, list)
}

// plugin answers with one, by the sha256 of its program, which each file has, also one
// that is not known to be a plugin.
func (a *API) plugin(_ context.Context, r *edge.Request) (*edge.Response, error) {
	sum, err := digestOf(r.Param("sha256"))
	if err != nil {
		return nil, err
	}
	for _, s := range a.Plugins.Plugins() {
		if s.SHA256 == sum {
			return edge.JSON(200, pluginOf(&s))
		}
	}
	return nil, fault.New(fault.NotFound, "there is no plugin with the sha256 %s", sum).On(fault.Caller)
}

// describePlugin answers with what a plugin says of itself, the form of its
// configuration among it.
func (a *API) describePlugin(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	description, err := a.Plugins.Describe(ctx, plugins.ID{Kind: r.Param("kind"), Name: r.Param("name")})
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, description)
}

// rollbackPlugin has a plugin run the program that it ran before its last upgrade.
func (a *API) rollbackPlugin(_ context.Context, r *edge.Request) (*edge.Response, error) {
	id := plugins.ID{Kind: r.Param("kind"), Name: r.Param("name")}
	if err := a.Plugins.Rollback(id); err != nil {
		return nil, err
	}
	a.Log.Info("plugin rolled back", "plugin", id.String(), "caller", r.Caller.ID)
	return &edge.Response{Status: 202}, nil
}

func pluginOf(s *plugins.Status) Plugin {
	p := Plugin{
		Kind: s.ID.Kind, Name: s.ID.Name, Version: s.Version, Publisher: s.Publisher, File: s.File, SHA256: s.SHA256, Trusted: s.Trust == "" && s.SHA256 != "",
		Trust: s.Trust, State: string(s.State), Message: s.Reason, Since: momentOf(s.Since), Previous: s.Previous, PID: s.PID,
		StartedAt: momentOf(s.StartedAt), Restarts: s.Restarts, Unconfined: append([]string{}, s.Unconfined...), Instances: []PluginInstance{},
		Metrics: PluginMetrics{
			Calls: []PluginCalls{}, InFlight: s.Metrics.InFlight, BytesSent: s.Metrics.BytesSent, BytesReceived: s.Metrics.BytesReceived,
			RSSBytes: s.Metrics.RSSBytes, CPUMillis: s.Metrics.CPUTime.Milliseconds(),
		},
	}
	if e := s.LastExit; e != nil {
		p.LastExit = &PluginExit{At: e.At.UTC(), How: e.How, Latest: append([]string{}, e.Latest...)}
	}
	for _, c := range s.Metrics.Calls {
		mean := 0.0
		if c.Count > 0 {
			mean = float64(c.Latency.Microseconds()) / 1000 / float64(c.Count)
		}
		p.Metrics.Calls = append(p.Metrics.Calls, PluginCalls{Name: c.Name, Count: c.Count, Millis: mean})
	}
	for _, e := range s.Metrics.Errors {
		p.Metrics.Errors += e.Count
	}
	for _, i := range s.Instances {
		p.Instances = append(p.Instances, PluginInstance{Name: i.Name, State: string(i.State), Message: i.Reason, Breaker: string(i.Breaker), Transfers: i.Transfers})
	}
	return p
}

// momentOf is a time as it is answered; nil where it is not known.
func momentOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
