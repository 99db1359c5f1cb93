package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	piece = `{"model":"bench","message":{"role":"assistant","content":" fox"},"done":false}`
	last  = `{"model":"bench","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":2}`
)

// chunked frames a body in chunks of n bytes, whatever lines it holds.
func chunked(body string, n int) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		size := min(n, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", size, body[:size])
		body = body[size:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

// plain frames a body with a length.
func plain(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d Some Words\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// read feeds an answer in pieces of n bytes.
func read(t *testing.T, raw string, n int) (*answer, error) {
	t.Helper()
	var a answer
	for p := []byte(raw); len(p) > 0; p = p[min(n, len(p)):] {
		if err := a.feed(p[:min(n, len(p))]); err != nil {
			return &a, err
		}
	}
	return &a, a.verdict()
}

func TestAnswerIsTheSameHoweverItIsCut(t *testing.T) {
	body := piece + "\n" + piece + "\n\n" + last + "\n"
	for _, raw := range []string{chunked(body, 1), chunked(body, 7), chunked(body, len(piece)+1), chunked(body, 1<<16), plain(200, body)} {
		for n := 1; n <= len(raw); n++ {
			a, err := read(t, raw, n)
			if err != nil {
				t.Fatalf("fed %d bytes at a time: %v\n%s", n, err, raw)
			}
			if a.body.count != 3 || string(a.body.last) != last {
				t.Fatalf("fed %d bytes at a time: %d lines, the last %q", n, a.body.count, a.body.last)
			}
		}
	}
}

func TestStreamCountsOnlyWithItsLastLine(t *testing.T) {
	f := func(name, raw string, want error) {
		t.Helper()
		if _, err := read(t, raw, len(raw)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	whole := chunked(piece+"\n"+last+"\n", 1<<16)
	f("a whole stream", whole, nil)
	f("one whole object without a line break", plain(200, last), nil)
	f("with spaces", plain(200, `{"done": true}`), nil)
	for n := 1; n < len(whole); n++ {
		f(fmt.Sprintf("cut after %d bytes", n), whole[:n], ErrIncomplete)
	}
	f("properly ended before its last line", chunked(piece+"\n"+piece+"\n", 20), ErrIncomplete)
	f("ended within its last line", chunked(piece+"\n"+last[:len(last)-1], 20), ErrIncomplete)
	f("an error in place of the last line", chunked(piece+"\n"+`{"error":"unexpected EOF"}`+"\n", 20), ErrIncomplete)
	f("an error that says done", chunked(piece+"\n"+`{"error":"unexpected EOF","done":true}`+"\n", 20), ErrIncomplete)
	f("a model that talks of it", chunked(`{"message":{"content":"\"done\":true"},"done":false}`+"\n", 20), ErrIncomplete)
	f("a line after the last", chunked(last+"\n"+piece+"\n", 20), ErrIncomplete)
	f("no body", plain(200, ""), ErrIncomplete)
	f("an error's status", plain(404, `{"error":"model 'x' not found"}`), ErrRefused)
	f("an error's status with a last line", plain(500, last), ErrRefused)
}

func TestMalformedAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, raw := range []string{
		"SSH-2.0-x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		head + "\r\n",
		head + "zz\r\n",
		head + "fffffffffffffffff\r\n",
		head + "1\r\nab\r\n",
		head + strings.Repeat("0", maxHead+1),
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead),
		head + "fffffff\r\n" + strings.Repeat("x", maxLine+1),
		plain(200, last) + "x",
	} {
		if _, err := read(t, raw, 4096); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.60q: %v, want %v", raw, err, ErrMalformed)
		}
	}
}

func TestHeadTellsThatTheServerCloses(t *testing.T) {
	for raw, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 0":                      false,
		"HTTP/1.1 200 OK\r\nconnection: Close\r\nContent-Length: 0": true,
		"HTTP/1.0 200 OK\r\nContent-Length: 0":                      true,
	} {
		h, err := parseHead([]byte(raw))
		if err != nil || h.closes != want {
			t.Errorf("%q: closes %v, %v; want %v", raw, h.closes, err, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(chunked(piece+"\n"+last+"\n", 9)), 3)
	f.Add([]byte(plain(404, `{"error":"no"}`)), 100)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		if n < 1 {
			return
		}
		// However the bytes are cut, they are judged alike.
		var whole, cut answer
		wholeErr := whole.feed(raw)
		var cutErr error
		for p := raw; len(p) > 0 && cutErr == nil; p = p[min(n, len(p)):] {
			cutErr = cut.feed(p[:min(n, len(p))])
		}
		if (wholeErr == nil) != (cutErr == nil) {
			t.Fatalf("whole: %v; cut: %v", wholeErr, cutErr)
		}
		if wholeErr != nil {
			return
		}
		if whole.state != cut.state || whole.body.count != cut.body.count || !bytes.Equal(whole.body.last, cut.body.last) {
			t.Fatalf("whole: %+v\ncut: %+v", whole, cut)
		}
	})
}
