package usage

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxAskedBytes bounds what is kept of a model's name as it was asked for, which
// may be anything.
const maxAskedBytes = 256

// row returns what is kept of an exchange that has ended.
func (e *exchange) row() fleet.UsageRow {
	path, _, _ := strings.Cut(e.path, "?")
	said := e.end.Counts(path)
	e.judge(said.Whole)
	row := fleet.UsageRow{
		ID: e.decision, At: e.began.UTC(), KeyID: e.from.KeyID, Key: e.from.KeyName,
		Asked: shorten(e.asked), Model: e.canonical(), Digest: e.digest,
		HostID: e.target.HostID, Host: e.target.Host, Instance: e.target.Instance,
		Dialect: e.from.Dialect, Route: path, Streamed: e.streamed, Outcome: e.outcome.String(),
		TotalMS: millis(e.ended.Sub(e.began)), Prompt: said.PromptTokens, Generated: said.Tokens,
	}
	if e.place != nil {
		_, waited := e.place.Waited()
		row.QueueMS = millis(waited)
	}
	if row.ID == "" {
		row.ID = "u_" + rand.Text()
	}
	if e.kind != fault.None {
		row.Error = e.kind.String()
	}
	if said.Load > 0 {
		row.LoadMS = new(millis(said.Load))
	}
	if said.Tokens != nil && said.Generate > 0 {
		row.PerSecond = new(float64(*said.Tokens) / said.Generate.Seconds())
	}
	if e.streamed && e.status < 400 && !e.first.IsZero() {
		row.FirstMS = new(millis(e.first.Sub(e.began)))
	}
	if !said.Whole && e.streamed {
		row.Prompt, row.Generated = nil, nil // counted so far, at best
	}
	return row
}

// judge decides how a stream ended that says so itself: whole is whole, however
// the connection ended, and without that its end is none.
func (e *exchange) judge(whole bool) {
	switch {
	case !e.streamed || e.status >= 400 || e.status == 0:
	case whole:
		e.outcome, e.kind = fleet.Answered, fault.None
	case e.outcome == fleet.Answered:
		e.outcome, e.kind = fleet.Failed, fault.Unavailable
	}
}

// canonical is the name under which the model is known. One that nobody has has
// none: else strangers could fill the totals with names.
func (e *exchange) canonical() string {
	if e.model != "" {
		return fleet.CanonicalModel(e.model)
	}
	if e.kind == fault.NotFound {
		return ""
	}
	name, _ := fleet.SplitDigest(e.asked)
	return shorten(fleet.CanonicalModel(name))
}

func shorten(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxAskedBytes)], "")
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
