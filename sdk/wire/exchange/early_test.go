package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// large is the size of a body that fits into no buffers on its way.
const large = 8 << 20

func TestAnswerToABodyThatIsNotRead(t *testing.T) {
	addr := listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		if in.Method == "GET" {
			return out.Send(200, nil, []byte("fine"))
		}
		return out.Send(413, nil, []byte("too large"))
	})
	c, dials := clientTo(t, addr)
	for range 2 {
		for _, length := range []int64{large, unknownLength} {
			res, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Body: io.LimitReader(zeros{}, large), Length: length})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(res.Body); err != nil || res.Status != 413 || string(got) != "too large" {
				t.Fatalf("%d %q, %v", res.Status, got, err)
			}
			res.Body.Close()
		}
	}
	if *dials != 1 {
		t.Errorf("%d connections were opened: what was not read is in the way of the next request", *dials)
	}

	res, err := http.Post("http://"+addr, "text/plain", io.LimitReader(zeros{}, large))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != 413 {
		t.Errorf("net/http saw %d", res.StatusCode)
	}
}

func TestServerThatAnswersAndTakesNoMore(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not that much", http.StatusRequestEntityTooLarge)
	}))
	t.Cleanup(srv.Close)
	c, dials := clientTo(t, srv.Listener.Addr().String())
	for range 2 {
		res, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Body: io.LimitReader(zeros{}, large), Length: large})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err != nil || res.Status != 413 || string(got) != "not that much\n" {
			t.Fatalf("%d %q, %v", res.Status, got, err)
		}
		res.Body.Close()
	}
	if *dials != 2 {
		t.Errorf("%d connections were opened: one that was closed under a body must not be kept", *dials)
	}
}

// TestAnswerWhileTheBodyIsSent has both directions of one exchange move at once.
func TestAnswerWhileTheBodyIsSent(t *testing.T) {
	c, _ := clientTo(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		out.Start(200, nil, unknownLength)
		buf := make([]byte, 32<<10)
		for {
			n, err := in.Body.Read(buf)
			if n > 0 {
				if _, werr := out.Write(buf[:1]); werr != nil {
					return werr
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}))
	res, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Body: io.LimitReader(zeros{}, large), Length: unknownLength})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n == 0 {
		t.Errorf("%d bytes came back, %v", n, err)
	}
}

func TestABodyThatCannotBeReadEndsTheExchange(t *testing.T) {
	read := make(chan error, 4)
	c, _ := clientTo(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		if in.Method == "GET" {
			return out.Send(200, nil, nil)
		}
		_, err := io.Copy(io.Discard, in.Body)
		read <- err
		return err
	}))
	gone := errors.New("the sender is gone")
	f := func(name string, body io.Reader, length int64, want error) {
		t.Helper()
		res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close() // a kept connection, on which a retry would be possible
		begun := time.Now()
		_, err = c.Do(t.Context(), &Request{Method: "POST", Target: "/", Body: body, Length: length, Retry: true})
		if !errors.Is(err, want) {
			t.Errorf("%s: Do = %v, want %v", name, err, want)
		}
		if took := time.Since(begun); took > 900*time.Millisecond {
			t.Errorf("%s: Do waited %v for an answer that cannot come", name, took)
		}
		if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the handler read to %v", name, err)
		}
	}
	f("fails", io.MultiReader(io.LimitReader(zeros{}, 1<<20), failing{gone}), unknownLength, gone)
	f("short", strings.NewReader(strings.Repeat("x", smallBody+1)), smallBody+2, io.ErrUnexpectedEOF)
	if len(read) != 0 {
		t.Error("half a request was sent twice")
	}
}

// zeros reads as zeros for ever.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
