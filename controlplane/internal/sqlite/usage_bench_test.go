package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// used returns requests of ten keys to five models on sixteen hosts.
func used(count int, at time.Time) []fleet.UsageRow {
	rows := make([]fleet.UsageRow, count)
	for i := range rows {
		rows[i] = fleet.UsageRow{
			ID: fmt.Sprintf("d_%020d", i), At: at, KeyID: fmt.Sprintf("k_%016d", i%10), Key: "some application",
			Asked: "llama3", Model: fmt.Sprintf("llama3:%d", i%5), Digest: fmt.Sprintf("%064d", i%5),
			HostID: fmt.Sprintf("h_%016d", i%16), Host: "rack-7-gpu-3", Instance: "default", Dialect: "ollama", Route: "/api/chat",
			Streamed: true, Outcome: "answered", LoadMS: new(1.5), FirstMS: new(40.0), TotalMS: 1000,
			Prompt: new(int64(500)), Generated: new(int64(200)), PerSecond: new(60.0),
		}
	}
	return rows
}

// BenchmarkAppendUsage stores what ends within a second, as often as it can.
func BenchmarkAppendUsage(b *testing.B) {
	for _, count := range []int{100, 1000, 8000} {
		b.Run(fmt.Sprintf("rows=%d", count), func(b *testing.B) {
			db := openTest(b, b.TempDir())
			rows := used(count, time.Unix(1_800_000_000, 0))
			for b.Loop() {
				if err := db.AppendUsage(b.Context(), rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkUsageTotals adds up 14 days in which every key used every model on
// every host in every hour.
func BenchmarkUsageTotals(b *testing.B) {
	db := openTest(b, b.TempDir())
	start := time.Unix(1_800_000_000, 0)
	for hour := range 14 * 24 {
		if err := db.AppendUsage(b.Context(), used(800, start.Add(time.Duration(hour)*time.Hour))); err != nil {
			b.Fatal(err)
		}
	}
	f := fleet.UsageFilter{From: start, To: start.AddDate(0, 0, 14)}
	for b.Loop() {
		if _, err := db.UsageTotals(b.Context(), f, fleet.UsageByKey, 100); err != nil {
			b.Fatal(err)
		}
	}
}
