package settings

import (
	"math"

	"github.com/corral-fleet/corral/sdk/config"
)

// Routing is how long requests wait and may take, how they are kept away from what
// fails, and which are sent again.
type Routing struct {
	QueueLength           int `json:"queue_length" yaml:"queue_length" help:"requests that may wait for one model"`
	QueueTimeoutSeconds   int `json:"queue_timeout" yaml:"queue_timeout" help:"seconds that a request may wait for a free place; 0 is no limit"`
	RequestTimeoutSeconds int `json:"request_timeout" yaml:"request_timeout" help:"seconds that a request to a model may take unless it says so itself; 0 is no limit"`

	BreakerFailures     int     `json:"breaker_failures" yaml:"breaker_failures" help:"failures in a row that take an instance, or a model on it, out of rotation; 0 does not count runs"`
	BreakerRatio        float64 `json:"breaker_ratio" yaml:"breaker_ratio" help:"share of the last requests that failed and does the same, up to 1; 0 does not look at shares"`
	BreakerPauseSeconds int     `json:"breaker_pause" yaml:"breaker_pause" help:"seconds out of rotation before one request tries again; twice that after each that fails"`
	Retries             int     `json:"retries" yaml:"retries" help:"other hosts that a request which failed before its first byte is sent to"`
	RetryShare          float64 `json:"retry_share" yaml:"retry_share" help:"share of all requests that may be sent again, up to 1"`
}

func defaultRouting() Routing {
	return Routing{
		QueueLength: 1024, QueueTimeoutSeconds: 600,
		BreakerFailures: 5, BreakerRatio: 0.5, BreakerPauseSeconds: 2, Retries: 2, RetryShare: 0.2,
	}
}

const (
	maxBreakerPauseSeconds = 60 * 60
	maxRetries             = 10
	maxQueueLength         = 1 << 20
	maxWaitSeconds         = 24 * 60 * 60
)

// Validate implements [config.Validator].
func (r *Routing) Validate(report config.Report) {
	within(report, "queue_length", int64(r.QueueLength), 1, maxQueueLength)
	within(report, "queue_timeout", int64(r.QueueTimeoutSeconds), 0, maxWaitSeconds)
	within(report, "request_timeout", int64(r.RequestTimeoutSeconds), 0, maxWaitSeconds)
	within(report, "breaker_failures", int64(r.BreakerFailures), 0, math.MaxInt32)
	share(report, "breaker_ratio", r.BreakerRatio)
	within(report, "breaker_pause", int64(r.BreakerPauseSeconds), 1, maxBreakerPauseSeconds)
	within(report, "retries", int64(r.Retries), 0, maxRetries)
	share(report, "retry_share", r.RetryShare)
}

func share(report config.Report, field string, x float64) {
	if !(x >= 0 && x <= 1) {
		report(field, "%v is not from 0 to 1", x)
	}
}
