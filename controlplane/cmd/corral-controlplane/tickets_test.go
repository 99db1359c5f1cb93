package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// revokeLimit is how long a revoked key may still be used.
const revokeLimit = 5 * time.Second

// ticket asks for a ticket and returns the status with it.
func (s *server) ticket(query, key string) (status int, ticket string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.address+"/api/tickets"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var made struct {
		Ticket string `json:"ticket"`
	}
	if err := json.Unmarshal(body, &made); err != nil {
		s.t.Fatalf("%v in %s", err, body)
	}
	return res.StatusCode, made.Ticket
}

// open opens a WebSocket and returns the status, which is 101 with a connection.
func (s *server) open(path string) (int, *websocket.Conn) {
	s.t.Helper()
	ws, res, err := websocket.DefaultDialer.DialContext(s.t.Context(), "ws://"+s.address+path, nil)
	if err != nil && !errors.Is(err, websocket.ErrBadHandshake) {
		s.t.Fatal(err)
	}
	if ws != nil {
		s.t.Cleanup(func() { ws.Close() })
	}
	return res.StatusCode, ws
}

// TestTickets opens WebSockets by tickets, and revokes the key behind them.
func TestTickets(t *testing.T) {
	dir := t.TempDir()
	made := object(t, run(t, nil, "key", "create", "--data-dir", dir, "--name", "x", "--role", "viewer", "--json").want(t, 0).stdout,
		"id", "key", "name", "role")
	key, id := made["key"].(string), made["id"].(string)
	s := serve(t, "--data-dir", dir, "--listen", "127.0.0.1:0")
	issue := func() string {
		t.Helper()
		status, ticket := s.ticket("", key)
		if status != 200 || !strings.HasPrefix(ticket, "crw_") {
			t.Fatalf("status %d, a ticket of %d characters", status, len(ticket))
		}
		return ticket
	}

	ticket := issue()
	status, ws := s.open("/ws?ticket=" + ticket)
	if status != 101 {
		t.Fatalf("a new ticket: status %d", status)
	}
	for _, path := range []string{"/ws", "/api/ws", "/api/metrics/realtime"} {
		if status, _ := s.open(path + "?ticket=" + ticket); status != 401 {
			t.Errorf("a spent ticket opens %s with status %d", path, status)
		}
	}
	fresh := issue()
	if status, _ := s.get("/api/metrics?ticket="+fresh, ""); status != 401 {
		t.Errorf("a ticket without a WebSocket: status %d", status)
	}
	for _, bearer := range []string{"", fresh} {
		if status, _ := s.ticket("?ticket="+fresh, bearer); status != 401 {
			t.Errorf("a ticket for a ticket: status %d", status)
		}
	}
	status, stream := s.open("/api/metrics/realtime?ticket=" + fresh)
	if status != 101 {
		t.Fatalf("it is spent by that: status %d", status)
	}

	waiting := issue()
	run(t, nil, "key", "revoke", "--data-dir", dir, id).want(t, 0)
	deadline := time.Now().Add(revokeLimit)
	for _, open := range []*websocket.Conn{ws, stream} {
		open.SetReadDeadline(deadline)
		var err error
		for err == nil {
			_, _, err = open.ReadMessage()
		}
		if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
			t.Errorf("after the key was revoked the WebSocket ends with %v", err)
		}
	}
	if status, _ := s.open("/ws?ticket=" + waiting); status != 401 {
		t.Errorf("a ticket of a revoked key: status %d", status)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("the exit code is %d", code)
	}
}
