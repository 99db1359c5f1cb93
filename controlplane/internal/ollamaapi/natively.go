package ollamaapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// maxReportBytes is how long a line of a host's progress may be.
	maxReportBytes = 64 << 10
	// maxListBytes is how long the list of a host's models may be.
	maxListBytes = 16 << 20
)

// natively has the Ollamas at places do the same, each by itself, and tells how far they
// are together. bodyAt makes the body for a place.
func (a *API) natively(ctx context.Context, doing string, places []place, call fleet.Call, bodyAt func(place) ([]byte, error), tell func(report)) error {
	together := newGathering(len(places), tell)
	replies := make([]reply, len(places))
	var calls sync.WaitGroup
	for i, at := range places {
		calls.Go(func() {
			body, err := bodyAt(at)
			if err != nil {
				replies[i] = reply{place: at, err: err}
				return
			}
			call := call
			call.Body = body
			replies[i] = a.followAt(ctx, at, call, func(r report) { together.hear(i, r) })
		})
	}
	calls.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return outcome(doing, replies)
}

// followAt has the Ollama at a place do something, and passes on what it tells of it.
func (a *API) followAt(ctx context.Context, at place, call fleet.Call, tell func(report)) (r reply) {
	r.place = at
	answer, err := a.calls.Call(ctx, at.Target, call)
	if err != nil || answer.Status >= 400 {
		r.err = r.read(answer, err)
		return r
	}
	// What closing says of an answer that has been read is of no interest, and of one that
	// broke off it is known already.
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxReportBytes)
	for lines.Scan() {
		var line struct {
			report
			wrong
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			r.err = fault.Wrap(fault.Unavailable, err, "its Ollama tells of its progress what is no JSON").On(fault.Ollama)
			return r
		}
		switch {
		case line.Error != "":
			r.status, r.body = 500, lineOf(line.wrong)
			return r
		case line.Status == success:
			r.status = answer.Status
			return r
		}
		tell(line.report)
	}
	cause := lines.Err()
	if cause == nil {
		cause = io.ErrUnexpectedEOF
	}
	r.err = fault.Wrap(fault.Unavailable, cause, "the answer broke off before its end").On(fault.Host)
	return r
}

// outcome returns why something was not done everywhere: in the words of the Ollamas,
// where all have the same.
func outcome(doing string, replies []reply) error {
	var failed []*reply
	same := true
	for i := range replies {
		r := &replies[i]
		if !r.done() {
			failed = append(failed, r)
		}
		same = same && r.err == nil && r.status == replies[0].status && r.reason() == replies[0].reason()
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(replies) && same:
		return &refused{replies[0].status, replies[0].reason()}
	}
	return failure(doing, failed, len(replies)-len(failed))
}

// agree waits until what the hosts tell shows a model at each place, and says where they
// have different ones under its name.
func (a *API) agree(ctx context.Context, model string, places []place) error {
	digests := make([]string, len(places))
	errs := make([]error, len(places))
	var calls sync.WaitGroup
	for i, at := range places {
		calls.Go(func() { digests[i], errs[i] = a.digestAt(ctx, at, model) })
	}
	calls.Wait()
	if err := errors.Join(errs...); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "what hosts have of %q now can't be seen: %s", model, fault.MessageOf(err)).On(fault.SideOf(err))
	}
	replies := make([]reply, len(places))
	for i, at := range places {
		at.digest = digests[i]
		replies[i] = reply{place: at, status: 200}
	}
	a.settle(ctx, replies, func(at place) bool {
		holds, known := a.holds(at.Target, model, at.digest)
		return holds || !known
	})
	if len(slices.Compact(slices.Sorted(slices.Values(digests)))) == 1 {
		return nil
	}
	var have []string
	for i, at := range places {
		have = append(have, fmt.Sprintf("%q has %.12s", at.Host, digests[i]))
	}
	return fault.New(fault.Conflict, "hosts have different models under the name %q now: %s", model, strings.Join(have, ", ")).On(fault.Ollama)
}

// digestAt asks the Ollama at a place for the digest of a model.
func (a *API) digestAt(ctx context.Context, at place, model string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.callLimit)
	defer cancel()
	answer, err := a.calls.Call(ctx, at.Target, fleet.Call{Method: "GET", Path: "/api/tags"})
	if err != nil {
		return "", err
	}
	var list modelList
	err = json.NewDecoder(io.LimitReader(answer.Body, maxListBytes)).Decode(&list)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "host %q lists its models in no way that can be read", at.Host).On(fault.Host)
	}
	for i := range list.Models {
		if m := &list.Models[i]; fleet.SameModel(m.Name, model) {
			return m.Digest, nil
		}
	}
	return "", fault.New(fault.Unavailable, "host %q does not list it", at.Host).On(fault.Ollama)
}
