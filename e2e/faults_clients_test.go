package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const (
	// patience is how long a client waits for the end of an answer.
	patience = 40 * time.Second
	// thinking is how long a client waits before it asks again.
	thinking = 400 * time.Millisecond
	// replyTokens are how many tokens each client asks for.
	replyTokens = 120
)

// sentence is a model that goes on saying a sentence which no other model says.
type sentence struct {
	model  string
	reply  string
	prefix string // what the model says within replyTokens
}

func (s sentence) options() tinymodel.Options { return tinymodel.Options{Loop: true, Reply: s.reply} }

func sentences(t *testing.T) []sentence {
	t.Helper()
	all := []sentence{
		{model: "oak:latest", reply: " under the old oak a hare waits for rain"},
		{model: "river:latest", reply: " slow rivers carry seven boats to sea"},
		{model: "lamp:latest", reply: " one lamp burns late in an empty house"},
	}
	for i := range all {
		pieces, err := tinymodel.Pieces(all[i].options())
		if err != nil {
			t.Fatal(err)
		}
		for n := range replyTokens {
			all[i].prefix += pieces[n%len(pieces)]
		}
	}
	return all
}

// ended is how a request ended for its client.
type ended string

// The ways in which a request ends, beside "status N" for one that was refused.
const (
	complete  ended = "complete"
	toldOf    ended = "broken off, with an error as the last line"
	silent    ended = "broken off, without a word" // must not be
	unworded  ended = "refused, without an error that can be read"
	hung      ended = "hung past its client's patience"   // must not be
	mixed     ended = "with tokens that are not its own"  // must not be
	repeated  ended = "with more of its tokens than once" // must not be
	unreached ended = "not connected"                     // must not be
)

// clients ask for chats until they are told to stop, and count what becomes of them.
type clients struct {
	url, key string
	http     *http.Client

	mu      sync.Mutex
	counts  map[ended]int
	byHost  map[string]int
	samples map[ended]string // one of each
	slowest time.Duration

	stop    context.CancelFunc
	running sync.WaitGroup
}

// startClients starts so many clients, which take turns with the sentences.
func startClients(t *testing.T, controlplane *corraltest.ControlPlane, count int, all []sentence) *clients {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &clients{
		url: controlplane.URL(), key: controlplane.Key(corraltest.Inference), http: corraltest.Plain(),
		counts: map[ended]int{}, byHost: map[string]int{}, samples: map[ended]string{}, stop: stop,
	}
	for i := range count {
		c.running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.ask(t.Context(), all[i%len(all)], uint64(i*1_000_000+n))
				select {
				case <-ctx.Done():
				case <-time.After(thinking):
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

// ask asks for one chat and counts how it ended.
func (c *clients) ask(ctx context.Context, s sentence, seed uint64) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	started := time.Now()
	host, how, sample := c.chat(ctx, s, seed)
	if ctx.Err() != nil {
		how = hung
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[how]++
	if how == complete {
		c.byHost[host]++
	}
	if c.samples[how] == "" {
		c.samples[how] = sample
	}
	c.slowest = max(c.slowest, time.Since(started))
}

func (c *clients) chat(ctx context.Context, s sentence, seed uint64) (host string, how ended, sample string) {
	body, _ := json.Marshal(object{
		"model": s.model, "messages": []object{{"role": "user", "content": "Go on."}},
		"options": object{"num_predict": replyTokens, "seed": seed},
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/chat", bytes.NewReader(body))
	if err != nil {
		return "", unreached, err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return "", unreached, err.Error()
	}
	defer response.Body.Close()
	host = response.Header.Get("Corral-Host")
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(response.Body)
		if err != nil || errorOf(text) == "" {
			return host, unworded, fmt.Sprintf("%d %q %v", response.StatusCode, text, err)
		}
		return host, ended("status " + strconv.Itoa(response.StatusCode)), string(text)
	}
	how, sample = s.judge(response.Body)
	return host, how, sample
}

// errorOf returns the error in a line or a body, or "".
func errorOf(text []byte) string {
	var told struct{ Error string }
	if json.Unmarshal(text, &told) != nil {
		return ""
	}
	return told.Error
}

// judge reads a stream to its end.
func (s sentence) judge(body io.Reader) (how ended, sample string) {
	var said strings.Builder
	var last []byte
	wholes := 0
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		last = bytes.Clone(lines.Bytes())
		var line struct {
			Model   string
			Message struct{ Content string }
			Done    bool
		}
		if json.Unmarshal(last, &line) != nil {
			continue // of the host that garbles; the last line decides
		}
		if line.Model != "" && line.Model != s.model {
			return mixed, string(last)
		}
		said.WriteString(line.Message.Content)
		if line.Done {
			wholes++
		}
	}
	text := said.String()
	switch {
	case !strings.HasPrefix(s.prefix, text) && strings.HasPrefix(text, s.prefix), wholes > 1:
		return repeated, text
	case !strings.HasPrefix(s.prefix, text):
		return mixed, text
	case lines.Err() != nil:
		return silent, lines.Err().Error()
	case errorOf(last) != "":
		return toldOf, errorOf(last)
	case wholes == 1 && text == s.prefix:
		return complete, ""
	}
	return silent, fmt.Sprintf("%q after %d bytes of its sentence", last, len(text))
}

// completed returns how many answers were complete so far, of which host.
func (c *clients) completed(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byHost[host]
}

// awaitComplete waits until a host has given a complete answer.
func (c *clients) awaitComplete(t *testing.T, limit time.Duration, host string) {
	t.Helper()
	before := c.completed(host)
	corraltest.Await(t, limit, "a complete answer of "+host, func() error {
		if c.completed(host) > before {
			return nil
		}
		return errors.New("none came")
	})
}

// report logs what was counted, and wants nothing of what must not be.
func (c *clients) report(t *testing.T, chats int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	requests := 0
	for _, how := range slices.Sorted(maps.Keys(c.counts)) {
		requests += c.counts[how]
		t.Logf("%6d %s  %s", c.counts[how], how, c.samples[how])
	}
	t.Logf("%6d requests, of which %d attempts reached an Ollama or its stand-in; the slowest took %v; complete ones by host: %v",
		requests, chats, c.slowest.Round(time.Millisecond), c.byHost)
	for _, how := range []ended{silent, unworded, hung, mixed, repeated, unreached} {
		if n := c.counts[how]; n > 0 {
			t.Errorf("%d requests ended %s: %s", n, how, c.samples[how])
		}
	}
	if c.counts[complete] == 0 {
		t.Error("no request was answered")
	}
}

// TestJudge has answers that are wrong in every way which the fault run is to find.
func TestJudge(t *testing.T) {
	all := sentences(t)
	s, other := all[0], all[1]
	piece := func(of sentence, text string, more string) string {
		line, err := json.Marshal(object{"model": of.model, "message": object{"content": text}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(line), "}") + more + "}\n"
	}
	const done, failed = `,"done":true`, `{"error":"the answer broke off"}` + "\n"
	half := s.prefix[:len(s.prefix)/2]
	for name, c := range map[string]struct {
		body string
		want ended
	}{
		"whole":                     {piece(s, half, "") + piece(s, s.prefix[len(half):], done), complete},
		"half of it":                {piece(s, half, ""), silent},
		"half of it, said done":     {piece(s, half, done), silent},
		"half of it, with an error": {piece(s, half, "") + failed, toldOf},
		"nothing":                   {"", silent},
		"garbage, then an error":    {"\xff\x00\n" + failed, toldOf},
		"garbage":                   {"\xff\x00\n", silent},
		"another model's":           {piece(other, s.prefix, done), mixed},
		"another model's tokens":    {piece(s, other.prefix, done), mixed},
		"another's after its own":   {piece(s, half, "") + piece(s, other.prefix, done), mixed},
		"begun again":               {piece(s, half, "") + piece(s, s.prefix, done), mixed},
		"twice":                     {piece(s, s.prefix, "") + piece(s, s.prefix, done), repeated},
		"done twice":                {piece(s, s.prefix, done) + piece(s, "", done), repeated},
	} {
		if got, sample := s.judge(strings.NewReader(c.body)); got != c.want {
			t.Errorf("%s: it ended %s (%s), want %s", name, got, sample, c.want)
		}
	}
}
