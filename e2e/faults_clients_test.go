package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

const (
	// patience is how long a client waits for the end of an answer, beside what
	// a slow host may take.
	patience = 40 * time.Second
	// pause is how long a client waits before it asks again.
	pause = 400 * time.Millisecond
)

// ended is how a request ended for its client.
type ended string

// The ways in which a request ends, beside "status N" for one that was refused.
const (
	complete  ended = "complete"
	toldOf    ended = "broken off, with an error as the last line"
	silent    ended = "broken off, without a word"
	unworded  ended = "refused, without an error that can be read"
	hung      ended = "hung past its client's patience"
	mixed     ended = "with tokens that are not its own, or in the wrong place"
	repeated  ended = "with more of its tokens than once"
	unreached ended = "not connected"
)

// triedBefore is what a decision says of a host from which it sent a request on.
const triedBefore = "was tried before and failed"

// mustNot are the ways in which no request may end.
func mustNot() []ended { return []ended{hung, mixed, repeated, silent, unworded, unreached} }

// fate is what became of a request.
type fate struct {
	how      ended
	host     string // that answered last, "" where none did
	decision string // the last one, "" where nothing could be chosen
	sample   string // of what came, where it is not complete
	began    time.Time
	over     time.Time

	retries int  // how often it was sent to another host
	spared  bool // refused by one host without being sent to another that could serve
	unread  error
}

// clients ask for chats until they are told to stop, and note what becomes of them.
type clients struct {
	url, key string
	http     *http.Client
	api      *client.Client
	patience time.Duration

	mu    sync.Mutex
	fates []fate

	stop    context.CancelFunc
	running sync.WaitGroup
}

// startClients starts so many clients, which take turns with the models.
func startClients(t *testing.T, controlplane *corraltest.ControlPlane, count int, all []wording, patience time.Duration) *clients {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &clients{
		url: controlplane.URL(), key: controlplane.Key(corraltest.Inference), http: corraltest.Plain(),
		api: controlplane.API(), patience: patience, stop: stop,
	}
	for i := range count {
		c.running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.ask(t.Context(), all[i%len(all)], uint64(i*1_000_000+n))
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	t.Cleanup(c.finish)
	return c
}

// finish lets every request under way end.
func (c *clients) finish() {
	c.stop()
	c.running.Wait()
}

// ask asks for one chat and notes what became of it.
func (c *clients) ask(ctx context.Context, w wording, seed uint64) {
	began := time.Now()
	patient, cancel := context.WithTimeout(ctx, c.patience)
	f := c.chat(patient, w, seed)
	if patient.Err() != nil {
		f.how = hung
	}
	cancel()
	f.began, f.over = began, time.Now()
	if f.decision != "" {
		f.unread = c.explain(ctx, &f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fates = append(c.fates, f)
}

func (c *clients) chat(ctx context.Context, w wording, seed uint64) fate {
	body, _ := json.Marshal(object{
		"model": w.model, "messages": []object{{"role": "user", "content": "Go on."}},
		"options": object{"num_predict": replyTokens, "seed": seed},
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/chat", bytes.NewReader(body))
	if err != nil {
		return fate{how: unreached, sample: err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return fate{how: unreached, sample: err.Error()}
	}
	defer response.Body.Close()
	f := fate{host: response.Header.Get("Corral-Host"), decision: response.Header.Get("Corral-Decision")}
	if response.StatusCode == http.StatusOK {
		f.how, f.sample = w.judge(response.Body)
		return f
	}
	text, err := io.ReadAll(response.Body)
	f.how, f.sample = ended("status "+strconv.Itoa(response.StatusCode)), string(text)
	if err != nil || errorOf(text) == "" {
		f.how, f.sample = unworded, fmt.Sprintf("%d %q %v", response.StatusCode, text, err)
	}
	return f
}

// explain asks the control plane how often a request was sent again. A record
// has the last choice, and of each host why it was not chosen.
func (c *clients) explain(ctx context.Context, f *fate) error {
	decision, err := c.api.Decision(ctx, f.decision)
	if err != nil {
		return err
	}
	another := false
	for _, candidate := range decision.Candidates {
		switch {
		case candidate.Why == triedBefore:
			f.retries++
		case !candidate.Chosen && candidate.Price != nil:
			another = true
		}
	}
	f.spared = strings.HasPrefix(string(f.how), "status ") && f.retries == 0 && another
	return nil
}

// completed returns how many answers of a host were complete so far.
func (c *clients) completed(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for i := range c.fates {
		if c.fates[i].how == complete && c.fates[i].host == host {
			n++
		}
	}
	return n
}

// awaitComplete waits until a host has given a complete answer, and returns how
// long it took.
func (c *clients) awaitComplete(t *testing.T, limit time.Duration, host string) time.Duration {
	t.Helper()
	before := c.completed(host)
	return corraltest.Await(t, limit, "a complete answer of "+host, func() error {
		if c.completed(host) > before {
			return nil
		}
		return errors.New("none came")
	})
}
