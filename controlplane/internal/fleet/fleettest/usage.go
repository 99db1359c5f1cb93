package fleettest

import (
	"fmt"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// request returns a request with every field filled in, that many minutes after noon.
func request(minutes int, keyID, model, hostID string) fleet.UsageRow {
	return fleet.UsageRow{
		ID: fmt.Sprintf("d%d", minutes), At: noon().Add(time.Duration(minutes) * time.Minute), KeyID: keyID, Key: "key " + keyID,
		Asked: "asked", Model: model, Digest: "digest", HostID: hostID, Host: "host " + hostID, Instance: "default",
		Dialect: "ollama", Route: "/api/chat", Streamed: true, Outcome: "answered", Error: "timeout",
		QueueMS: 0.5, LoadMS: new(1.25), FirstMS: new(12.0), TotalMS: 100.125, Prompt: new(int64(7)), Generated: new(int64(30)), PerSecond: new(60.5),
	}
}

// captured is a request of which is kept what it asked and was answered.
func captured(minutes int) fleet.UsageRow {
	r := request(minutes, "k", "m", "h")
	r.Capture = &fleet.Capture{Request: []byte("asked by " + r.ID), RequestCut: true, Answer: []byte("\x00 answered\xff to " + r.ID)}
	return r
}

// ofAll means every request of every key.
func ofAll() fleet.UsageFilter { return fleet.UsageFilter{To: noon().AddDate(100, 0, 0)} }

func ofKey(id string) fleet.UsageFilter {
	f := ofAll()
	f.OneKey, f.KeyID = true, id
	return f
}

// usageIDs reads every page of a list.
func usageIDs(t *testing.T, s Stores, f fleet.UsageFilter, limit int) (ids []string) {
	t.Helper()
	var at fleet.UsagePlace
	for {
		rows, next, err := s.Usage.UsageRows(t.Context(), f, at, limit)
		must(t, err)
		for i := range rows {
			ids = append(ids, rows[i].ID)
		}
		if next == (fleet.UsagePlace{}) {
			return ids
		}
		at = next
	}
}

func usageTotals(t *testing.T, s Stores, f fleet.UsageFilter, by fleet.UsageGroup) []fleet.UsageTotal {
	t.Helper()
	return got(s.Usage.UsageTotals(t.Context(), f, by, 100))(t)
}

func usageSentences() []sentence {
	return []sentence{
		{"Every field comes back, and what is not known stays so", func(t *testing.T, s Stores) {
			unknown := fleet.UsageRow{ID: "u", At: noon()}
			rows := []fleet.UsageRow{request(1, "k", "m", "h"), unknown}
			must(t, s.Usage.AppendUsage(t.Context(), rows))
			list, next, err := s.Usage.UsageRows(t.Context(), ofAll(), fleet.UsagePlace{}, 10)
			must(t, err)
			wantEqual(t, list, rows)
			wantEqual(t, next, fleet.UsagePlace{})
		}},
		{"No rows are no error", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), nil))
			wantEqual(t, len(usageIDs(t, s, ofAll(), 1)), 0)
			wantEqual(t, len(usageTotals(t, s, ofAll(), fleet.UsageByModel)), 0)
		}},
		{"Pages are newest first and miss none of a time", func(t *testing.T, s Stores) {
			same := request(2, "k", "m", "h")
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(3, "k", "m", "h"), request(1, "k", "m", "h"), same, same, same}))
			want := []string{"d3", "d2", "d2", "d2", "d1"}
			for _, limit := range []int{1, 2, 4, 5, 6} {
				wantEqual(t, usageIDs(t, s, ofAll(), limit), want)
			}
		}},
		{"A list has what is asked for", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(1, "a", "m", "h"), request(2, "b", "m", "h"), request(3, "", "m", "h")}))
			wantEqual(t, usageIDs(t, s, ofKey("a"), 1), []string{"d1"})
			wantEqual(t, usageIDs(t, s, ofKey(""), 1), []string{"d3"})
			f := ofAll()
			f.From, f.To = noon().Add(2*time.Minute), noon().Add(3*time.Minute)
			wantEqual(t, usageIDs(t, s, f, 1), []string{"d2"})
		}},
		{"Totals add up, in one append and in several", checkUsageTotals},
		{"The last uses are known for each model and host", checkLastUses},
		{"Totals are of whole hours", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(-30, "k", "m", "h"), request(0, "k", "m", "h"), request(90, "k", "m", "h")}))
			f := fleet.UsageFilter{From: noon().Add(30 * time.Minute), To: noon().Add(31 * time.Minute)}
			wantEqual(t, usageTotals(t, s, f, fleet.UsageByModel)[0].Requests, int64(1))
			f.To = noon().Truncate(time.Hour).Add(time.Hour)
			wantEqual(t, usageTotals(t, s, f, fleet.UsageByModel)[0].Requests, int64(1))
			f.To = f.To.Add(time.Microsecond)
			wantEqual(t, usageTotals(t, s, f, fleet.UsageByModel)[0].Requests, int64(2))
		}},
		{"Days are oldest first, and of UTC", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(12*60, "k", "m", "h"), request(0, "k", "m", "h")}))
			var days []string
			for _, total := range usageTotals(t, s, ofAll(), fleet.UsageByDay) {
				days = append(days, total.Name)
			}
			wantEqual(t, days, []string{"2026-03-01", "2026-03-02"})
		}},
		{"Another group is refused", func(t *testing.T, s Stores) {
			_, err := s.Usage.UsageTotals(t.Context(), ofAll(), "weather", 1)
			wantKind(t, err, fault.Invalid)
		}},
		{"What is old is forgotten", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(-120, "k", "m", "h"), request(1, "k", "m", "h"), request(2, "k", "m", "h")}))
			must(t, s.Usage.DeleteUsageBefore(t.Context(), noon().Add(2*time.Minute)))
			wantEqual(t, usageIDs(t, s, ofAll(), 10), []string{"d2"})
			// The hour that has not ended yet is still whole.
			wantEqual(t, usageTotals(t, s, ofAll(), fleet.UsageByModel)[0].Requests, int64(2))
		}},
		{"A capture comes back, and no other request's", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{captured(1), request(2, "k", "m", "h"), captured(3)}))
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{{ID: "empty", At: noon(), Capture: &fleet.Capture{AnswerCut: true}}}))
			wantEqual(t, got(s.Usage.Capture(t.Context(), "d3"))(t), *captured(3).Capture)
			empty := got(s.Usage.Capture(t.Context(), "empty"))(t)
			wantEqual(t, len(empty.Request)+len(empty.Answer), 0)
			wantEqual(t, empty.AnswerCut, true)
			for _, id := range []string{"d2", "nobody", ""} {
				_, err := s.Usage.Capture(t.Context(), id)
				wantKind(t, err, fault.NotFound)
			}
		}},
		{"A list has no captures", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{captured(1)}))
			rows, _, err := s.Usage.UsageRows(t.Context(), ofAll(), fleet.UsagePlace{}, 10)
			must(t, err)
			wantEqual(t, rows, []fleet.UsageRow{request(1, "k", "m", "h")})
		}},
		{"A capture is forgotten with its request", func(t *testing.T, s Stores) {
			must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{captured(1), captured(2)}))
			must(t, s.Usage.DeleteUsageBefore(t.Context(), noon().Add(2*time.Minute)))
			_, err := s.Usage.Capture(t.Context(), "d1")
			wantKind(t, err, fault.NotFound)
			wantEqual(t, got(s.Usage.Capture(t.Context(), "d2"))(t), *captured(2).Capture)
		}},
		{"All captures can be forgotten, and no request", func(t *testing.T, s Stores) {
			must(t, s.Usage.DeleteCaptures(t.Context()))
			var rows []fleet.UsageRow
			for minutes := range 120 {
				rows = append(rows, captured(minutes))
			}
			must(t, s.Usage.AppendUsage(t.Context(), rows))
			must(t, s.Usage.DeleteCaptures(t.Context()))
			for i := range rows {
				_, err := s.Usage.Capture(t.Context(), rows[i].ID)
				wantKind(t, err, fault.NotFound)
			}
			wantEqual(t, len(usageIDs(t, s, ofAll(), 1000)), len(rows))
		}},
	}
}

func checkLastUses(t *testing.T, s Stores) {
	must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{
		request(1, "a", "m1", "h1"), request(90, "b", "m1", "h1"), request(5, "a", "m2", "h1"), request(6, "a", "m1", "h2"), request(7, "a", "m1", ""),
	}))
	uses := func(exactSince time.Time) []fleet.LastUse { return got(s.Usage.LastUses(t.Context(), exactSince))(t) }
	hour := noon().Truncate(time.Hour)
	wantEqual(t, uses(noon().Add(time.Hour)), []fleet.LastUse{
		{Model: "m1", HostID: "h1", At: noon().Add(90 * time.Minute)}, {Model: "m1", HostID: "h2", At: hour}, {Model: "m2", HostID: "h1", At: hour},
	})
	wantEqual(t, uses(noon())[2].At, noon().Add(5*time.Minute))
}

func checkUsageTotals(t *testing.T, s Stores) {
	failed, gone := request(3, "b", "m1", "h2"), request(4, "b", "m2", "")
	failed.Outcome, failed.Prompt, failed.Generated, failed.FirstMS = "failed", nil, nil, nil
	gone.Outcome, gone.Generated, gone.FirstMS = "given_up", nil, new(36.0)
	must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{request(1, "a", "m1", "h1"), request(2, "a", "m1", "h1"), failed}))
	must(t, s.Usage.AppendUsage(t.Context(), []fleet.UsageRow{gone, request(5, "a", "m1", "h1")}))
	wantEqual(t, usageTotals(t, s, ofAll(), fleet.UsageByKey), []fleet.UsageTotal{
		{ID: "a", Name: "key a", Requests: 3, Counted: 3, Prompt: 21, Generated: 90, TotalMS: 300.375, FirstMS: new(12.0)},
		{ID: "b", Name: "key b", Requests: 2, Failed: 1, GivenUp: 1, Counted: 1, Prompt: 7, TotalMS: 200.25, FirstMS: new(36.0)},
	})
	names := func(by fleet.UsageGroup) (names []string) {
		for _, total := range usageTotals(t, s, ofAll(), by) {
			names = append(names, fmt.Sprintf("%s %s %d", total.ID, total.Name, total.Requests))
		}
		return names
	}
	wantEqual(t, names(fleet.UsageByModel), []string{"m1 m1 4", "m2 m2 1"})
	wantEqual(t, names(fleet.UsageByHost), []string{"h1 host h1 3", " host  1", "h2 host h2 1"})
	wantEqual(t, len(got(s.Usage.UsageTotals(t.Context(), ofAll(), fleet.UsageByModel, 1))(t)), 1)
	wantEqual(t, usageTotals(t, s, ofKey("b"), fleet.UsageByModel)[0].Requests, int64(1))
}
