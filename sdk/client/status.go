package client

import "context"

// Status says whether the whole is well, and if not, why.
type Status struct {
	Status        string          `json:"status"` // "ok", "degraded" or "starting"
	Version       string          `json:"version"`
	UptimeSeconds int64           `json:"uptime_seconds"`
	Hosts         HostCounts      `json:"hosts"`
	Models        ModelCounts     `json:"models"`
	GPUs          GPUCounts       `json:"gpus"`
	Storage       []StorageStatus `json:"storage"`
	Problems      []string        `json:"problems"` // sentences
}

// HostCounts counts hosts. Degraded ones are online too.
type HostCounts struct {
	Total    int `json:"total"`
	Online   int `json:"online"`
	Degraded int `json:"degraded"`
}

// ModelCounts counts models.
type ModelCounts struct {
	Total  int `json:"total"`
	Loaded int `json:"loaded"` // in memory somewhere
}

// GPUCounts counts GPUs.
type GPUCounts struct {
	Total     int `json:"total"`
	Unhealthy int `json:"unhealthy"`
	NotReal   int `json:"not_real,omitempty"` // made up, for trying things out
}

// StorageStatus is how a configured storage is.
type StorageStatus struct {
	Name   string `json:"name"`
	Status string `json:"status"`
}

// Status returns how the whole is now. It needs the role viewer.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.ask(ctx, get("api", "system", "status"), &s); err != nil {
		return nil, err
	}
	return &s, nil
}
