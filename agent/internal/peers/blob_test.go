package peers

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestABlobIsReadWhileItComes has parts that begin and end amid blocks, as Ollama's do, come
// in pieces of any size, and readers that are always at the edge of what is there.
func TestABlobIsReadWhileItComes(t *testing.T) {
	r := newRig(t)
	d := r.begin(junk(10_000_019), 1_000_000)
	address := r.ticket(digestOf(d.content)).URL(r.Address, r.issuer)
	client := r.client(r.other)
	var reading sync.WaitGroup
	for _, p := range d.parts { // each of its own, as Ollama asks
		reading.Go(func() {
			status, body, err := r.get(client, address, "bytes="+strconv.FormatInt(p.Offset, 10)+"-"+strconv.FormatInt(p.end()-1, 10))
			if status != http.StatusPartialContent || err != nil {
				t.Errorf("part %d: %d, %v", p.N, status, err)
			}
			same(t, "part "+strconv.Itoa(p.N), d.content[p.Offset:p.end()], body)
		})
	}
	reading.Go(func() {
		status, body, err := r.get(client, address, "")
		if status != http.StatusOK || err != nil {
			t.Errorf("all of it: %d, %v", status, err)
		}
		same(t, "all of it", d.content, body)
	})
	open := rand.Perm(len(d.parts))
	for len(open) > 0 {
		i := rand.IntN(len(open))
		if d.come(open[i], 1+rand.Int64N(60_000)) {
			open = append(open[:i], open[i+1:]...)
		}
		if rand.IntN(8) == 0 {
			time.Sleep(time.Millisecond) // so that readers are at the edge
		}
	}
	d.end()
	reading.Wait()
}

// TestWhatIsThereIsSentBeforeTheRestHasCome waits for bytes that come only when others
// have arrived.
func TestWhatIsThereIsSentBeforeTheRestHasCome(t *testing.T) {
	r := newRig(t)
	d := r.begin(junk(4<<20), 4<<20)
	res, err := r.do(r.client(r.other), http.MethodGet, r.ticket(digestOf(d.content)).URL(r.Address, r.issuer), "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ContentLength != 4<<20 {
		t.Errorf("%d bytes are announced", res.ContentLength)
	}
	got := make([]byte, 0, len(d.content))
	for !d.come(0, 1<<20) {
		have := len(got)
		got = got[:d.done[0]-2*minMargin]
		if _, err := io.ReadFull(res.Body, got[have:]); err != nil {
			t.Fatal(err)
		}
	}
	d.end()
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "it", d.content, append(got, rest...))
}

func TestABlobThatIsYetToBeFetched(t *testing.T) {
	r := newRig(t)
	content := junk(1 << 20)
	address := r.ticket(digestOf(content)).URL(r.Address, r.issuer)
	type answer struct {
		body []byte
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		_, body, err := r.get(r.client(r.other), address, "")
		came <- answer{body, err}
	}()
	for r.Serving() == 0 { // it waits
		time.Sleep(time.Millisecond)
	}
	r.begin(content, 300_000).end()
	if got := <-came; got.err != nil {
		t.Error(got.err)
	} else {
		same(t, "it", content, got.body)
	}
}

func TestABlobThatDoesNotCome(t *testing.T) {
	r := newRig(t)
	r.timing.appear, r.timing.still = 30*time.Millisecond, 30*time.Millisecond
	content := junk(1 << 20)
	address := r.ticket(digestOf(content)).URL(r.Address, r.issuer)
	client := r.client(r.other)
	if status, _, err := r.get(client, address, ""); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("not at all: %d, %v", status, err)
	}
	d := r.begin(content, 1<<20)
	d.come(0, 512<<10)
	if _, body, err := r.get(client, address, ""); err == nil || len(body) == 0 || len(body) >= 512<<10 {
		t.Errorf("no further: %d bytes, %v", len(body), err)
	} else {
		same(t, "what came", content[:len(body)], body)
	}
}

// TestNobodyWaitsForAnOllamaThatIsNotThere has one that is killed while it fetches.
func TestNobodyWaitsForAnOllamaThatIsNotThere(t *testing.T) {
	var gone atomic.Bool
	r := newRig(t, func(o *Options) { o.Fetching = func() bool { return !gone.Load() } })
	d := r.begin(junk(1<<20), 1<<20)
	d.come(0, 512<<10)
	client, address := r.client(r.other), r.ticket(digestOf(d.content)).URL(r.Address, r.issuer)
	res, err := r.do(client, http.MethodGet, address, "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	began := time.Now()
	gone.Store(true)
	body, err := io.ReadAll(res.Body)
	if err == nil || len(body) == 0 || len(body) > 512<<10 {
		t.Errorf("%d bytes came, %v", len(body), err)
	}
	same(t, "what came", d.content[:len(body)], body)
	if status, _, err := r.get(client, r.ticket(digestOf([]byte("another"))).URL(r.Address, r.issuer), ""); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("of what has not begun: %d, %v", status, err)
	}
	if took := time.Since(began); took >= patience {
		t.Errorf("it took %v", took)
	}
}

func TestABlobThatIsGivenUp(t *testing.T) {
	r := newRig(t)
	d := r.begin(junk(1<<20), 1<<20)
	d.come(0, 512<<10)
	res, err := r.do(r.client(r.other), http.MethodGet, r.ticket(digestOf(d.content)).URL(r.Address, r.issuer), "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, name := range []string{partialOf(d.path) + "-0", partialOf(d.path)} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes came, and that was all", len(body))
	}
}

// TestNothingIsSaidOfWhatIsLaidOutInPart has a blob of whose parts some are unknown.
func TestNothingIsSaidOfWhatIsLaidOutInPart(t *testing.T) {
	r := newRig(t)
	d := r.begin(junk(3000), 1000)
	digest := digestOf(d.content)
	b, err := openBlob(r.dir, digest)
	if err != nil {
		t.Fatal(err)
	}
	b.file.Close()
	for name, text := range map[string]string{"not there": "", "being written": `{"N":1,"Off`, "of another": `{"N":1,"Offset":1000,"Size":900,"Completed":0}`} {
		path := partialOf(d.path) + "-1"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openBlob(r.dir, digest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("one part is %s: %v", name, err)
		}
	}
}

func TestAFileSystemThatDoesNotTellHoles(t *testing.T) {
	for _, c := range []struct {
		hole, size, taken int64
		want              bool
	}{
		{0, 100, 0, true},
		{50, 100, 60, true},
		{100, 100, 100, true},
		{100, 100, 4096, true},
		{100, 100, 0, false},
		{100, 100, 99, false},
	} {
		if got := credible(c.hole, c.size, c.taken); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
