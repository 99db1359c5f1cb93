package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// jobsFunc does jobs by a function.
type jobsFunc func(ctx context.Context, instance string, job *work.Job, tell func(work.Event) error) error

func (f jobsFunc) Run(ctx context.Context, instance string, job *work.Job, tell func(work.Event) error) error {
	return f(ctx, instance, job, tell)
}

// untilEnded tells that a job runs, and its end when its context ends.
func untilEnded(ctx context.Context, _ string, _ *work.Job, tell func(work.Event) error) error {
	if err := tell(work.Event{Phase: work.Fetching}); err != nil {
		return err
	}
	<-ctx.Done()
	cause := context.Cause(ctx)
	return tell(work.Event{Failed: &work.Failure{Kind: fault.KindOf(cause).String(), Side: fault.SideOf(cause).String(), Message: fault.MessageOf(cause)}})
}

const collect = `{"id":"1","kind":"collect"}`

func jobOf(body string) *exchange.Request {
	return &exchange.Request{Method: "POST", Target: "/work/default", Body: strings.NewReader(body), Length: int64(len(body))}
}

// eventsOf are the events of an answer as they come.
type eventsOf struct {
	t     *testing.T
	res   *exchange.Response
	lines *bufio.Scanner
}

func do(t *testing.T, c *exchange.Client, body string) *eventsOf {
	t.Helper()
	res, err := c.Do(t.Context(), jobOf(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.Status != 200 {
		t.Fatalf("status %d", res.Status)
	}
	return &eventsOf{t, res, bufio.NewScanner(res.Body)}
}

func (e *eventsOf) next() work.Event {
	e.t.Helper()
	if !e.lines.Scan() {
		e.t.Fatalf("no event: %v", e.lines.Err())
	}
	var event work.Event
	if err := json.Unmarshal(e.lines.Bytes(), &event); err != nil {
		e.t.Fatal(err)
	}
	return event
}

func TestAJobsEventsComeAsTheyAre(t *testing.T) {
	want := []work.Event{{Phase: work.Fetching, DoneBytes: 3, TotalBytes: 9}, {Done: &work.Result{Digest: "d", SizeBytes: 9, Path: "pull"}}}
	goOn := make(chan struct{})
	s := standIn(t, http.NotFound)
	c, _ := throughWith(t, s, jobsFunc(func(_ context.Context, instance string, job *work.Job, tell func(work.Event) error) error {
		if instance != "default" || job.ID != "1" || job.Kind != work.Collect {
			t.Errorf("%s is to do %+v", instance, job)
		}
		if err := tell(want[0]); err != nil {
			return err
		}
		<-goOn
		return tell(want[1])
	}))
	events := do(t, c, collect)
	got := []work.Event{events.next()}
	close(goOn)
	got = append(got, events.next())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if events.lines.Scan() {
		t.Errorf("more came: %s", events.lines.Text())
	}
}

func TestWhatIsNoJob(t *testing.T) {
	s := standIn(t, http.NotFound)
	c, _ := throughWith(t, s, jobsFunc(func(context.Context, string, *work.Job, func(work.Event) error) error {
		t.Error("it is done")
		return nil
	}))
	for _, test := range []struct{ target, body, fault string }{
		{"/work/default", "no", "invalid ours"},
		{"/work/default", `{"kind":"dance"}`, "not_implemented ours"},
		{"/work/default", `{"kind":"remove","model":"../etc"}`, "invalid caller"},
		{"/work/default", `{"kind":"load","model":"a"}`, "invalid ours"},
		{"/work/default", `{"kind":"load","model":"a","recipe":{"layers":[{"role":"model","sha256":"zz"}]}}`, "invalid ours"},
		{"/work/default", `{"kind":"collect","id":"` + strings.Repeat("x", maxJobBytes) + `"}`, "too_large ours"},
		{"/work/other", collect, "not_found host"},
		{"/work/default/more", collect, "not_found host"},
	} {
		req := jobOf(test.body)
		req.Target = test.target
		if got := ask(t, c, req); got.status != 502 || got.fault != test.fault {
			t.Errorf("%s %.60s: %+v", test.target, test.body, got)
		}
	}
	if got := ask(t, c, &exchange.Request{Method: "GET", Target: "/work/default"}); got.fault != "not_found host" {
		t.Errorf("GET: %+v", got)
	}
}

func TestJobsOfAnInstanceComeOneAfterTheOther(t *testing.T) {
	s := standIn(t, http.NotFound)
	c, r := throughWith(t, s, jobsFunc(untilEnded))
	first := do(t, c, collect)
	if e := first.next(); e.Phase != work.Fetching {
		t.Fatalf("the first: %+v", e)
	}
	second := do(t, c, collect)
	for range 2 { // it is told again and again
		if e := second.next(); e.Phase != work.Preparing || !strings.Contains(e.Message, "another job") {
			t.Fatalf("the second: %+v", e)
		}
	}
	first.res.Body.Close() // nobody wants it any more
	for {
		if e := second.next(); e.Phase == work.Fetching {
			break
		}
	}
	var waiting []*eventsOf
	for range maxWaiting {
		waiting = append(waiting, do(t, c, collect))
	}
	if got := ask(t, c, jobOf(collect)); got.fault != "unavailable host" || !strings.Contains(got.body, "wait") {
		t.Errorf("one too many: %+v", got)
	}
	if n := r.InFlight(); n != 0 {
		t.Errorf("jobs count as %d requests", n)
	}
	for _, w := range waiting {
		w.res.Body.Close()
	}
	second.res.Body.Close()
}

func TestAnAgentThatLeavesEndsItsJobs(t *testing.T) {
	s := standIn(t, http.NotFound)
	c, r := throughWith(t, s, jobsFunc(untilEnded))
	first := do(t, c, collect)
	first.next()
	second := do(t, c, collect)
	second.next()
	drained := make(chan int)
	go func() { drained <- r.Drain(t.Context()) }()
	for name, events := range map[string]*eventsOf{"that runs": first, "that waits": second} {
		for {
			e := events.next()
			if e.Failed == nil {
				continue
			}
			if e.Failed.Kind != "unavailable" || e.Failed.Side != "host" || !strings.Contains(e.Failed.Message, "told to end") {
				t.Errorf("the job %s: %+v", name, e.Failed)
			}
			break
		}
	}
	select {
	case n := <-drained:
		if n != 0 {
			t.Errorf("%d are left", n)
		}
	case <-time.After(patience):
		t.Fatal("it does not drain")
	}
	if got := ask(t, c, jobOf(collect)); got.fault != "unavailable host" {
		t.Errorf("another job: %+v", got)
	}
}
