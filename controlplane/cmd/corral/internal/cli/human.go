package cli

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/corral-fleet/corral/sdk/client"
)

// unknown stands where nobody knows.
const unknown = "-"

// size is a number of bytes for people; 0 is unknown.
func size(bytes int64) string {
	if bytes <= 0 {
		return unknown
	}
	return humanize.IBytes(uint64(bytes))
}

// percent is a share for people, nil for unknown.
func percent(p *float64) string {
	if p == nil {
		return unknown
	}
	return strconv.Itoa(int(math.Round(*p))) + "%"
}

// duration is a span in its two largest units: 3d4h, 3h12m, 12m, 45s.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// since is how long ago something was; the zero time is unknown.
func (s *session) since(t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return duration(s.Now().Sub(t))
}

// cpu is how busy a host's processors are.
func cpu(sample *client.Sample) string {
	if sample == nil {
		return unknown
	}
	return percent(sample.CPUPercent)
}

// memory is how much of a host's memory is in use.
func memory(sample *client.Sample) string {
	if sample == nil || sample.Memory == nil || sample.Memory.TotalBytes <= 0 {
		return unknown
	}
	m := sample.Memory
	used := 100 * float64(m.UsedBytes) / float64(m.TotalBytes)
	return percent(&used) + " of " + size(m.TotalBytes)
}
