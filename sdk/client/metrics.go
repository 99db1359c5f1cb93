package client

import "context"

// Metrics are the fleet's numbers now, with the hosts behind them. The means
// are 0 where no host reports; HostsReporting tells that case apart.
type Metrics struct {
	ActiveModels      int     `json:"active_models"`      // in memory on any host
	TotalRequests     int64   `json:"total_requests"`     // since the data directory was made
	AvgResponseTime   float64 `json:"avg_response_time"`  // milliseconds, over the last five minutes
	CPUUsage          float64 `json:"cpu_usage"`          // percent, weighted by cores
	MemoryUsage       float64 `json:"memory_usage"`       // percent, weighted by memory
	ActiveConnections int     `json:"active_connections"` // open WebSockets of dashboards
	HostsReporting    int     `json:"hosts_reporting"`

	Hosts []HostMetrics `json:"hosts"`
}

// HostMetrics is one host's last sample, nil where there is none.
type HostMetrics struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	State  HostState `json:"state"`
	Sample *Sample   `json:"sample"`
}

// Metrics returns the numbers now. It needs the role viewer.
func (c *Client) Metrics(ctx context.Context) (*Metrics, error) {
	var m Metrics
	if err := c.ask(ctx, get("api", "metrics"), &m); err != nil {
		return nil, err
	}
	return &m, nil
}
