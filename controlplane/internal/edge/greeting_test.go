package edge

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestATLSHandshakeWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(greetings, 1)
		done, err := g.begin()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := g.begin(); !errors.Is(err, errCrowd) || time.Since(began) != greetingWait {
			t.Errorf("one too many: %v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Second, done)
		second, err := g.begin()
		if err != nil {
			t.Errorf("when a slot is free in time: %v", err)
		}
		done() // once more is nothing
		if len(g) != 1 {
			t.Errorf("%d slots are taken", len(g))
		}
		second()
	})
}

// A peer that is waited for has no slot, or a few silent ones would keep out all others.
func TestWhoIsSilentInAHandshakeKeepsNobodyOut(t *testing.T) {
	for name, first := range map[string][]byte{"half a hello": {tlsRecordHeader, 3, 1, 2, 0, 1}, "one byte": {tlsRecordHeader}} {
		t.Run(name, func(t *testing.T) {
			server, client := net.Pipe()
			defer client.Close()
			defer server.Close()
			l := &listener{tls: &tls.Config{MinVersion: tls.VersionTLS12}, greetings: make(greetings, 1)}
			c := &conn{transport: &transport{Conn: server}, owner: l}
			ended := make(chan error, 1)
			go func() {
				_, err := c.Read(make([]byte, 100))
				ended <- err
			}()
			if _, err := client.Write(first); err != nil {
				t.Fatal(err)
			}
			done, err := l.greetings.begin() // waits until the silent one is waited for
			if err != nil {
				t.Fatal(err)
			}
			done()
			client.Close()
			if err := <-ended; err == nil {
				t.Error("it went on")
			}
		})
	}
}
