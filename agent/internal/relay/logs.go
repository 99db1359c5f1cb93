package relay

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/ollama/runlog"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// maxLines is the most lines that can be asked for at once.
const maxLines = 10_000

// logs answers with what an instance printed, as lines of text.
func (r *Relay) logs(ctx context.Context, i *instance, query string, out *exchange.Reply) error {
	values, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the query of the request is malformed")
	}
	count, err := strconv.Atoi(values.Get("lines"))
	if err != nil || count < 0 || count > maxLines {
		return fault.New(fault.Invalid, `"lines" is a number from 0 to %d`, maxLines)
	}
	lines, end, err := i.Logs().Tail(count)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the output of Ollama could not be read").On(fault.Host)
	}
	out.Start(200, exchange.Fields{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, -1)
	var text []byte
	for _, l := range lines {
		text = append(append(text, l.Text...), '\n')
	}
	if len(text) > 0 {
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	if values.Get("follow") != "true" {
		return nil
	}
	if err := out.Flush(); err != nil {
		return err
	}
	err = i.Logs().Follow(ctx, end, func(line runlog.Line, lost bool) error {
		text = text[:0]
		if lost {
			text = append(text, "[lines were lost here]\n"...)
		}
		_, err := out.Write(append(append(text, line.Text...), '\n'))
		return err
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody follows any more, which is how following ends
	}
	return err
}
