package client

import (
	"context"
	"net/url"
	"strconv"
	"strings"
)

// Verdict is whether a model fits on a host.
type Verdict string

// The verdicts.
const (
	VerdictFits    Verdict = "fits"    // it runs on GPUs alone
	VerdictSpills  Verdict = "spills"  // a part or all of it runs slowly, from the host's main memory
	VerdictNo      Verdict = "no"      // there isn't the memory for it
	VerdictUnknown Verdict = "unknown" // it is not known what the host has free
)

// FitSource is where the figures of a [Fit] come from.
type FitSource string

// The sources.
const (
	FitEstimated FitSource = "estimated" // worked out before
	FitMeasured  FitSource = "measured"  // the model was loaded on this host with this context
)

// FitQuery is how and where a model is to run.
type FitQuery struct {
	ContextTokens int      // of each request; 0 is what each host's Ollama takes by itself
	Parallel      int      // requests at a time; 0 is as each host has it
	CacheType     string   // of keys and values: f16, q8_0 or q4_0; empty is as each host has it
	Hosts         []string // ids or names; none is all
}

// Fit is whether a model fits on a host, and what it takes there.
type Fit struct {
	HostID   string    `json:"host_id"`
	Host     string    `json:"host"`
	Instance string    `json:"instance,omitempty"`
	Verdict  Verdict   `json:"verdict"`
	Reason   string    `json:"reason"` // a sentence
	Source   FitSource `json:"source"`

	ContextTokens        int64  `json:"context"` // of each request
	Parallel             int64  `json:"parallel"`
	CacheType            string `json:"cache_type"`      // of keys and values
	LongestContextTokens int64  `json:"longest_context"` // that fits on the GPUs alone; 0 is none, or none is known

	// What it needs in all, wherever that is. TotalBytes is the sum of the others.
	WeightsBytes    int64 `json:"weights"`
	CacheBytes      int64 `json:"cache"`
	ComputeBytes    int64 `json:"compute"`
	ProjectorBytes  int64 `json:"projector,omitempty"`
	OverheadBytes   int64 `json:"overhead,omitempty"`   // of the runtime, on all GPUs that are used
	CorrectionBytes int64 `json:"correction,omitempty"` // what measurements say beyond that; it may be negative
	TotalBytes      int64 `json:"total"`
	MeasuredBytes   int64 `json:"measured,omitempty"` // as the host's Ollama said it; 0 is never

	GPUBytes        int64    `json:"on_gpus"` // of the total
	MainMemoryBytes int64    `json:"in_main_memory"`
	FreeBytes       int64    `json:"free"` // on all GPUs
	GPUs            []FitGPU `json:"gpus"`
}

// FitGPU is what a model would take of one GPU.
type FitGPU struct {
	ID           string `json:"id"`
	FreeBytes    int64  `json:"free"`
	MemoryBytes  int64  `json:"memory"` // that it has
	TotalBytes   int64  `json:"total"`  // that the model would take
	WeightsBytes int64  `json:"weights"`
	CacheBytes   int64  `json:"cache"`
	ComputeBytes int64  `json:"compute"`
	Layers       int    `json:"layers"`
}

// Fit returns whether a model of the catalogue, by its id or name, fits on hosts. A model
// or a host that is not there is fault.NotFound; where too little is known of the model it
// is fault.Conflict. It needs the role viewer.
func (c *Client) Fit(ctx context.Context, model string, q FitQuery) ([]Fit, error) {
	what := get("api", "models", model, "fit")
	what.query = url.Values{}
	if q.ContextTokens != 0 {
		what.query.Set("context", strconv.Itoa(q.ContextTokens))
	}
	if q.Parallel != 0 {
		what.query.Set("parallel", strconv.Itoa(q.Parallel))
	}
	if q.CacheType != "" {
		what.query.Set("cache_type", q.CacheType)
	}
	if len(q.Hosts) > 0 {
		what.query.Set("hosts", strings.Join(q.Hosts, ","))
	}
	var fits []Fit
	err := c.ask(ctx, what, &fits)
	return fits, err
}
