package ollamaapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// atOnce is how many instances are called at a time for one request.
	atOnce = 64
	// maxReplyBytes is the most that is read of an answer to a change, which is
	// empty or one sentence.
	maxReplyBytes = 64 << 10
	// maxNamed is how many hosts an error names.
	maxNamed = 5
)

// reply is what an instance answered.
type reply struct {
	place
	status      int // 0 where there was no answer
	contentType string
	body        []byte
	err         error // why there was none
}

// everywhere makes a call at each place, at most for the API's limit each, and
// returns what came of it, in the order of the places. bodyAt makes the body for
// a place.
func (a *API) everywhere(ctx context.Context, places []place, call fleet.Call, bodyAt func(place) ([]byte, error)) []reply {
	replies := make([]reply, len(places))
	turns := make(chan struct{}, atOnce)
	var calls sync.WaitGroup
	for i, at := range places {
		calls.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			replies[i] = a.callAt(ctx, at, call, bodyAt)
		})
	}
	calls.Wait()
	return replies
}

func (a *API) callAt(ctx context.Context, at place, call fleet.Call, bodyAt func(place) ([]byte, error)) reply {
	ctx, cancel := context.WithTimeout(ctx, a.callLimit)
	defer cancel()
	r := reply{place: at}
	if call.Body, r.err = bodyAt(at); r.err != nil {
		return r
	}
	if r.err = r.read(a.calls.Call(ctx, at.Target, call)); errors.Is(r.err, context.DeadlineExceeded) {
		r.err = fault.Wrap(fault.Timeout, r.err, "it did not answer within %v", a.callLimit).On(fault.Host)
	}
	return r
}

// read reads a whole answer.
func (r *reply) read(answer *fleet.Answer, err error) error {
	if err != nil {
		return err
	}
	r.body, err = io.ReadAll(io.LimitReader(answer.Body, maxReplyBytes))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	r.status = answer.Status
	for _, f := range answer.Fields {
		if strings.EqualFold(f.Name, "Content-Type") {
			r.contentType = f.Value
		}
	}
	return nil
}

// done reports whether the instance did what it was asked.
func (r *reply) done() bool { return r.status != 0 && r.status < 400 }

// response returns the reply as an answer to the caller.
func (r *reply) response() *edge.Response {
	resp := &edge.Response{Status: r.status, Body: r.body, Header: []edge.HeaderField{relay.HostHeader(r.Target)}}
	if r.contentType != "" {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Content-Type", Value: r.contentType})
	}
	return resp
}

// reason returns why it was not done, as the host or its Ollama words it.
func (r *reply) reason() string {
	if r.err != nil {
		return fault.MessageOf(r.err)
	}
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(r.body, &said); err == nil && said.Error != "" {
		return said.Error
	}
	return "its Ollama answered with status " + strconv.Itoa(r.status)
}

// merge makes one answer of the replies. Where all went well, or all instances
// refused in the same words, it is what one of them said. An instance that no
// longer has the model is none that failed, unless none has it.
func merge(doing string, replies []reply) (*edge.Response, error) {
	var done, failed []*reply
	same := true
	for i := range replies {
		r := &replies[i]
		switch {
		case r.done():
			done = append(done, r)
		case r.status != 404:
			failed = append(failed, r)
		}
		same = same && r.status != 0 && r.status == replies[0].status && string(r.body) == string(replies[0].body)
	}
	switch {
	case same, len(failed) == 0 && len(done) == 0:
		return replies[0].response(), nil
	case len(failed) == 0:
		return done[0].response(), nil
	}
	return nil, failure(doing, failed, len(done))
}

// failure names the hosts that failed.
func failure(doing string, failed []*reply, done int) error {
	var causes []error
	var reasons []string
	for _, r := range failed {
		causes = append(causes, r.err) // nil where an Ollama said no; that is among the reasons
		reasons = append(reasons, fmt.Sprintf("%q (%s)", r.Host, r.reason()))
	}
	if more := len(reasons) - maxNamed; more > 0 {
		reasons = append(reasons[:maxNamed], strconv.Itoa(more)+" more")
	}
	elsewhere := ""
	if done > 0 {
		elsewhere = fmt.Sprintf("; it is done on %d others", done)
		if done == 1 {
			elsewhere = "; it is done on one other"
		}
	}
	return fault.Wrap(fault.Unavailable, errors.Join(causes...), "%s failed on host %s%s", doing, strings.Join(reasons, ", "), elsewhere).
		On(fault.Host)
}

// settle waits until what the hosts tell shows a change where it was made, so
// that whoever lists the models next sees it. seen reports whether it shows at a
// place, and is asked no more of a place of which nothing is known.
func (a *API) settle(ctx context.Context, replies []reply, seen func(place) bool) {
	var open []place
	for i := range replies {
		if replies[i].done() {
			open = append(open, replies[i].place)
		}
	}
	late := time.NewTimer(a.settleLimit)
	defer late.Stop()
	for {
		changed := a.view.Changed()
		open = slices.DeleteFunc(open, seen)
		if len(open) == 0 {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
