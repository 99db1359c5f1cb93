//go:build cgo

package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

// rig is a source that reads a library whose cards do what a test says, on a
// host of the test's, at the test's time.
type rig struct {
	t      *testing.T
	lib    *fakenvml.Library
	source *nvmlSource
	host   Host
	now    time.Time
	log    *os.File
	last   gpu.Reading
}

func newRig(t *testing.T, lines ...string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, lib: fakenvml.New(t), now: time.Now()}
	r.host = Host{
		Library: filepath.Join(r.lib.Dir, fakenvml.Name),
		Sys:     filepath.Join(dir, "sys"), Proc: filepath.Join(dir, "proc"), Log: filepath.Join(dir, "kmsg"),
	}
	if err := unix.Mkfifo(r.host.Log, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.log, err = os.OpenFile(r.host.Log, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	for _, e := range r.lib.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	r.lib.Say(t, lines...)
	r.begin()
	return r
}

// begin opens the source anew, as a new probe does.
func (r *rig) begin() {
	r.t.Helper()
	s, err := openNVML(r.host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.source = s.(*nvmlSource)
	r.source.now = func() time.Time { return r.now }
	r.t.Cleanup(func() {
		if r.source.faults.log != nil {
			r.source.faults.log.Close()
		}
	})
}

// file writes a file of the host's.
func (r *rig) file(path, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// onBus puts a card on the bus.
func (r *rig) onBus(address, status string) {
	dir := filepath.Join(r.host.Sys, "bus/pci/devices", address)
	r.file(filepath.Join(dir, "vendor"), "0x10de")
	r.file(filepath.Join(dir, "class"), "0x030200")
	r.file(filepath.Join(dir, "device"), "0x2330")
	r.file(filepath.Join(dir, "power/control"), "auto")
	r.file(filepath.Join(dir, "power/runtime_status"), status)
}

// read reads after a second, and slowly after all that is read seldom is due.
func (r *rig) read() gpu.Reading { return r.after(time.Second) }

func (r *rig) slowly() gpu.Reading { return r.after(slowInterval) }

func (r *rig) after(d time.Duration) gpu.Reading {
	r.t.Helper()
	r.now = r.now.Add(d)
	r.source.Read(&r.last)
	return r.last
}

func (r *rig) say(lines ...string) {
	r.t.Helper()
	r.lib.Say(r.t, lines...)
}

// cards says of each card its name, its place and its health.
func cards(reading gpu.Reading) string {
	var out []string
	for _, d := range reading.Devices {
		place := "-"
		if d.Index.Known {
			place = fmt.Sprint(d.Index.V)
		}
		out = append(out, d.UUID+" "+place+" "+string(d.Health))
	}
	return strings.Join(out, ", ")
}

func wantCards(t *testing.T, reading gpu.Reading, want string) {
	t.Helper()
	if got := cards(reading); got != want {
		t.Errorf("the cards are %s\nwant %s", got, want)
	}
}
