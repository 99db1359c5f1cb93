package summary

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// What is not known is left out, and never a zero; a host that does not report
// is not there.
func TestHostMetricsTellWhatIsKnown(t *testing.T) {
	some := int64(7)
	a, blind := host("a", 1, 12.5, 100, 50), host("blind", 1, 0, 0, 0)
	a.Sample.TakenAt, a.Sample.InFlight = noon().Add(-time.Second), 3
	a.Sample.GPUs = []fleet.GPU{{UUID: "GPU-0", State: fleet.GPULost}}
	a.Rates = fleet.Rates{ReceivedBytesPerSecond: &some, SentBytesPerSecond: &some, ReadBytesPerSecond: &some, WrittenBytesPerSecond: &some}
	blind.Sample = &fleet.Sample{TakenAt: noon()}
	silent := fleet.HostView{Host: fleet.Host{ID: "silent"}, State: fleet.HostOnline}
	s, _ := newSummary(a, blind, silent, fleet.HostView{Host: fleet.Host{ID: "away"}, State: fleet.HostAway})
	got, err := json.Marshal(s.HostMetrics(9))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"at":"2026-03-01T12:00:00Z","sequence":9,"hosts":[` +
		`{"id":"id of a","taken_at":"2026-03-01T11:59:59Z","cpu_percent":12.5,"memory_used_bytes":50,"memory_total_bytes":100,` +
		`"received_bytes_per_second":7,"sent_bytes_per_second":7,"read_bytes_per_second":7,"written_bytes_per_second":7,"in_flight":3,` +
		`"gpus":[{"uuid":"GPU-0","index":0,"name":"","state":"lost"}]},` +
		`{"id":"id of blind","taken_at":"2026-03-01T12:00:00Z","in_flight":0,"gpus":[]}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// largeFleet is 100 hosts with 8 GPUs each, all of whose numbers are known.
func largeFleet() []fleet.HostView {
	percent, bytes := 37.3, int64(64<<30)
	hosts := make([]fleet.HostView, 100)
	for i := range hosts {
		hosts[i] = host(fmt.Sprintf("gpu-%03d", i), 64, percent, bytes, bytes/2)
		hosts[i].Sample.TakenAt = noon()
		hosts[i].Rates = fleet.Rates{ReceivedBytesPerSecond: &bytes, SentBytesPerSecond: &bytes, ReadBytesPerSecond: &bytes, WrittenBytesPerSecond: &bytes}
		for n := range 8 {
			hosts[i].Sample.GPUs = append(hosts[i].Sample.GPUs, fleet.GPU{
				UUID: fmt.Sprintf("GPU-8f2c1d34-aaaa-bbbb-%04d-%012d", i, n), Index: n, Name: "NVIDIA H200", State: fleet.GPUOK,
				UtilizationPercent: &percent, MemoryUsedBytes: &bytes, MemoryTotalBytes: &bytes,
				TemperatureCelsius: &percent, SlowdownCelsius: &percent, PowerWatts: &percent, PowerLimitWatts: &percent,
			})
		}
	}
	return hosts
}

func BenchmarkHostMetrics(b *testing.B) {
	s, _ := newSummary(largeFleet()...)
	b.ReportAllocs()
	for b.Loop() {
		text, err := json.Marshal(s.HostMetrics(1))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}
