package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/nginxhop"
	"github.com/corral-fleet/corral/e2e/bench/pair"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

// The names of the paths.
const (
	direct = "direct"
	nginx  = "nginx×2"
	corral = "corral"
)

const (
	readyLimit  = 30 * time.Second // until a path gives its first answer
	answerLimit = 30 * time.Second // for one answer
)

// chatRoute is the route that every path is measured on.
const chatRoute = "/api/chat"

var chatBody = []byte(`{"model":"` + standin.Model + `","messages":[{"role":"user","content":"Why is the sky blue?"}]}`)

// bench starts the parts, measures, and writes the report.
func bench(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	binary := o.nginx
	if binary == "" {
		if binary, err = nginxhop.Find(ctx); err != nil {
			return err
		}
	}
	version, err := nginxhop.Version(ctx, binary)
	if err != nil {
		return err
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	paths, err := parts{Stage: st, options: o, nginx: binary}.build(ctx)
	if err != nil {
		return err
	}
	for _, p := range paths {
		limited, cancel := context.WithTimeout(ctx, readyLimit)
		err := pair.AwaitAnswer(limited, p.request)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	m := measurement{options: o, progress: stderr}
	list, err := m.run(ctx, paths)
	if err != nil {
		return err
	}
	doc := document(o, list)
	doc.Notes = append(doc.Notes, version)
	return doc.Publish(stdout, o.output)
}

// document puts the figures into words.
func document(o options, list []series) report.Document {
	figures := compare(list)
	doc := report.Document{
		Title: "Chat through control plane and agents",
		Method: strings.Join([]string{
			fmt.Sprintf("POST %s of %d tokens, no delay, to a stand-in Ollama.", chatRoute, o.tokens),
			fmt.Sprintf("One client: %d rounds of %d requests; %d clients: %d rounds of %v.", o.rounds, o.requests, o.clients, o.crowdRounds, o.window),
			fmt.Sprintf("Key check, accounting and routing between %d hosts, all in front of the one stand-in, are on.", o.hosts),
			"In each round every path has its turn, in rotating order, after a warm-up.",
			"Additions and ratios are taken against the direct path of the same round; given are their medians.",
			"A stream counts only when its last line came.",
		}, "\n"),
		Figures: table(figures, o.clients),
		Targets: targets(figures, o),
	}
	for _, f := range figures {
		if f.firstBreak != nil {
			doc.Notes = append(doc.Notes, fmt.Sprintf("%s: the first broken stream: %v", f.name, f.firstBreak))
		}
	}
	return doc
}

// path is one way to the stand-in.
type path struct {
	name    string
	request load.Request
}
