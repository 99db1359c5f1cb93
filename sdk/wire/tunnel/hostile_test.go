package tunnel

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/fasthttp/websocket"
)

func TestWhatNoPeerMaySendEndsTheSession(t *testing.T) {
	opened := header{windowFrame, flagOpen, 1, 0}
	cases := map[string][]struct {
		h    header
		body string
	}{
		"a stream with our number":  {{h: header{windowFrame, flagOpen, 2, 0}}},
		"the session as a stream":   {{h: header{windowFrame, flagOpen, 0, 0}}},
		"a stream opened twice":     {{h: opened}, {h: opened}},
		"an unknown kind":           {{h: header{7, 0, 1, 0}}},
		"more than the window":      {{h: opened}, {h: header{dataFrame, 0, 1, initialWindow + 1}, body: strings.Repeat("x", initialWindow+1)}},
		"a window beyond all bound": {{h: opened}, {h: header{windowFrame, 0, 1, 1<<32 - 1}}},
		"a message over the cap":    {{h: header{dataFrame, 0, 1, maxMessage}, body: strings.Repeat("x", maxMessage)}},
	}
	for name, frames := range cases {
		t.Run(name, func(t *testing.T) {
			dialled, accepted := sockets(t)
			server := Server(accepted)
			defer server.Close()
			for _, f := range frames {
				writeFrame(t, dialled, f.h, f.body)
			}
			<-server.Done()
		})
	}
}

func TestAnotherVersionAndTextEndTheSession(t *testing.T) {
	for kind, message := range map[int]string{
		websocket.BinaryMessage: "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		websocket.TextMessage:   "hello",
	} {
		dialled, accepted := sockets(t)
		server := Server(accepted)
		if err := dialled.WriteMessage(kind, []byte(message)); err != nil {
			t.Fatal(err)
		}
		<-server.Done()
		server.Close()
	}
}

func TestFramesForStreamsThatNobodyHasAreSkipped(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	writeFrame(t, dialled, header{dataFrame, 0, 99, 5}, "hello")
	writeFrame(t, dialled, header{windowFrame, flagFinish, 97, 0}, "")
	writeFrame(t, dialled, header{windowFrame, flagReset, 95, 0}, "")
	writeFrame(t, dialled, header{dataFrame, flagOpen | flagFinish, 1, 2}, "ok")
	in, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); string(got) != "ok" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAResetIsNoEnd(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	writeFrame(t, dialled, header{dataFrame, flagOpen, 1, 4}, "half")
	writeFrame(t, dialled, header{windowFrame, flagReset, 1, 0}, "")
	in, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); string(got) != "half" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := in.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write = %v", err)
	}
}

func TestStreamsBeyondTheBacklogAreRefused(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	for i := range uint32(serverBacklog + 1) {
		writeFrame(t, dialled, header{windowFrame, flagOpen, 2*i + 1, 0}, "")
	}
	_, raw, err := dialled.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHeader((*[headerSize]byte)(raw))
	if want := (header{windowFrame, flagReset, 2*serverBacklog + 1, 0}); err != nil || h != want {
		t.Errorf("answered %+v, %v; want %+v", h, err, want)
	}
}

func TestPingsAreAnswered(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	writeFrame(t, dialled, header{pingFrame, flagOpen, 0, 42}, "")
	_, raw, err := dialled.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHeader((*[headerSize]byte)(raw))
	if want := (header{pingFrame, flagAccept, 0, 42}); err != nil || h != want {
		t.Errorf("answered %+v, %v; want %+v", h, err, want)
	}
}

func TestAPeerThatAsksAndNeverReadsEndsTheSession(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	ping := header{pingFrame, flagOpen, 0, 1}.append(nil)
	for {
		if err := dialled.WriteMessage(websocket.BinaryMessage, ping); err != nil {
			break
		}
	}
	<-server.Done()
}

func TestAPeerThatGoesAwayIsAskedForNothingMore(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	writeFrame(t, dialled, header{goAwayFrame, 0, 0, 0}, "")
	writeFrame(t, dialled, header{windowFrame, flagOpen, 1, 0}, "")
	if _, err := server.Accept(); err != nil { // both frames have been seen
		t.Fatal(err)
	}
	if _, err := server.Open(); err == nil {
		t.Error("a stream was opened to a peer that is going")
	}
}

func FuzzSession(f *testing.F) {
	open := header{windowFrame, flagOpen, 1, 0}.append(nil)
	data := append(header{dataFrame, 0, 1, 5}.append(nil), "hello"...)
	f.Add(append(open, data...))
	f.Add(header{pingFrame, flagOpen, 0, 7}.append(data))
	f.Add(header{dataFrame, flagOpen | flagFinish, 3, 1 << 31}.append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dialled, accepted := sockets(t)
		server := Server(accepted)
		_ = dialled.WriteMessage(websocket.BinaryMessage, raw) // which the session may end under it
		dialled.Close()
		<-server.Done()
		server.Close()
	})
}
