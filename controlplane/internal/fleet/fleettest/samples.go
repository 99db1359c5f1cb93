package fleettest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// sample returns a sample that was taken seq seconds after noon.
func sample(hostID, runID string, seq uint64) fleet.SampleRow {
	taken := noon().Add(time.Duration(seq) * time.Second)
	return fleet.SampleRow{
		HostID: hostID, RunID: runID, Seq: seq, TakenAt: taken, ReceivedAt: taken.Add(time.Millisecond),
		Payload: []byte{byte(seq), byte(seq >> 8), 0},
	}
}

func samples(hostID, runID string, from, to uint64) []fleet.SampleRow {
	var rows []fleet.SampleRow
	for seq := from; seq < to; seq++ {
		rows = append(rows, sample(hostID, runID, seq))
	}
	return rows
}

// stored returns the samples of a host in [from, to), with payloads of their own.
func stored(ctx context.Context, t *testing.T, s Stores, hostID string, from, to time.Time) []fleet.SampleRow {
	t.Helper()
	var rows []fleet.SampleRow
	must(t, s.Samples.Samples(ctx, hostID, from, to, func(row fleet.SampleRow) error {
		row.Payload = append([]byte(nil), row.Payload...)
		rows = append(rows, row)
		return nil
	}))
	return rows
}

func all(t *testing.T, s Stores, hostID string) []fleet.SampleRow {
	t.Helper()
	return stored(t.Context(), t, s, hostID, time.Time{}, noon().AddDate(100, 0, 0))
}

func sampleSentences() []sentence {
	return []sentence{
		{"Every field comes back", func(t *testing.T, s Stores) {
			rows := samples("h1", "r1", 1, 4)
			must(t, s.Samples.AppendSamples(t.Context(), rows))
			wantEqual(t, all(t, s, "h1"), rows)
		}},
		{"No rows are no error", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), nil))
			wantEqual(t, len(all(t, s, "h1")), 0)
		}},
		{"A row that is there is skipped", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), samples("h1", "r1", 1, 4)))
			again := samples("h1", "r1", 2, 6)
			again[0].Payload = []byte("other")
			must(t, s.Samples.AppendSamples(t.Context(), again))
			wantEqual(t, all(t, s, "h1"), samples("h1", "r1", 1, 6))
		}},
		{"The same seq of another run or host is another row", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(),
				[]fleet.SampleRow{sample("h1", "r1", 1), sample("h1", "r2", 1), sample("h2", "r1", 1)}))
			wantEqual(t, len(all(t, s, "h1")), 2)
			wantEqual(t, all(t, s, "h2"), []fleet.SampleRow{sample("h2", "r1", 1)})
		}},
		{"The last seq is the highest of the run", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(),
				[]fleet.SampleRow{sample("h1", "r1", 9), sample("h1", "r1", 3), sample("h1", "r2", 20), sample("h2", "r1", 30)}))
			wantEqual(t, got(s.Samples.LastSeq(t.Context(), "h1", "r1"))(t), uint64(9))
		}},
		{"The last seq is 0 when there is none", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), samples("h1", "r1", 1, 3)))
			wantEqual(t, got(s.Samples.LastSeq(t.Context(), "h1", "r2"))(t), uint64(0))
			wantEqual(t, got(s.Samples.LastSeq(t.Context(), "h2", "r1"))(t), uint64(0))
		}},
		{"From is within and to is not", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), samples("h1", "r1", 1, 10)))
			wantEqual(t, stored(t.Context(), t, s, "h1", noon().Add(3*time.Second), noon().Add(6*time.Second)), samples("h1", "r1", 3, 6))
		}},
		{"Oldest first, over runs and however many", checkManySamples},
		{"An error of fn ends it", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), samples("h1", "r1", 1, 4)))
			enough, calls := errors.New("enough"), 0
			err := s.Samples.Samples(t.Context(), "h1", time.Time{}, noon().Add(time.Hour), func(fleet.SampleRow) error {
				calls++
				return enough
			})
			if !errors.Is(err, enough) || calls != 1 {
				t.Errorf("got %v after %d calls, want the error of fn after one", err, calls)
			}
		}},
		{"Deleting forgets what was taken earlier", func(t *testing.T, s Stores) {
			must(t, s.Samples.AppendSamples(t.Context(), append(samples("h1", "r1", 1, 10), samples("h2", "r1", 1, 4)...)))
			must(t, s.Samples.DeleteSamplesBefore(t.Context(), noon().Add(5*time.Second)))
			wantEqual(t, all(t, s, "h1"), samples("h1", "r1", 5, 10))
			wantEqual(t, len(all(t, s, "h2")), 0)
			must(t, s.Samples.AppendSamples(t.Context(), samples("h2", "r1", 6, 7)))
			wantEqual(t, all(t, s, "h2"), samples("h2", "r1", 6, 7))
		}},
	}
}

// checkManySamples appends more than a store would read or delete at once, the
// newer run first.
func checkManySamples(t *testing.T, s Stores) {
	const count = 2500
	older, newer := samples("h1", "r2", 1, count/2), samples("h1", "r1", count/2, count)
	must(t, s.Samples.AppendSamples(t.Context(), newer))
	must(t, s.Samples.AppendSamples(t.Context(), older))
	wantEqual(t, all(t, s, "h1"), append(older, newer...))
	must(t, s.Samples.DeleteSamplesBefore(t.Context(), noon().Add(2400*time.Second)))
	wantEqual(t, all(t, s, "h1"), samples("h1", "r1", 2400, count))
}
