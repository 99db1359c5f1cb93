package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// dial opens a connection for a test that writes the bytes itself.
func dial(t *testing.T, controlplane *corraltest.ControlPlane) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", controlplane.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// TestBodyThatIsAnnouncedAndNotSent wants the connection to be ended after the
// time that the settings give, and others to be served meanwhile.
func TestBodyThatIsAnnouncedAndNotSent(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane("--server-timeout", "1")
	key := controlplane.Key(corraltest.Admin)
	const waiting = 20
	started := time.Now()
	var conns []net.Conn
	for range waiting {
		conn := dial(t, controlplane)
		fmt.Fprintf(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", key)
		conns = append(conns, conn)
	}
	if answer := controlplane.As(corraltest.Admin).Get("/api/hosts"); answer.Status != 200 {
		t.Errorf("meanwhile others get %d", answer.Status)
	}
	for _, conn := range conns {
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatalf("the connection was not ended: %v", err)
		}
		if strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("a body that never came is answered with %s", answer)
		}
	}
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestTenMegabytesOfHeaders(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	conn := dial(t, controlplane)
	go func() { // it may be turned away before it has sent them all
		fmt.Fprint(conn, "GET /api/hosts HTTP/1.1\r\nHost: x\r\n")
		line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
		for range 10_000 {
			if _, err := io.WriteString(conn, line); err != nil {
				return
			}
		}
		io.WriteString(conn, "\r\n")
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", response.StatusCode)
	}
	if answer := controlplane.As("").Get("/healthz"); answer.Status != 200 {
		t.Errorf("the control plane's health is %d", answer.Status)
	}
}
