package xid

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

func TestLines(t *testing.T) {
	const card = "0000:3b:00.0"
	xid := func(code uint32) gpu.Value[uint32] { return gpu.Of(code) }
	for text, want := range map[string]gpu.Event{
		"NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.":                                          {Address: card, Xid: xid(79), Process: "<unknown>"},
		"NVRM: Xid (PCI:0000:3b:00): 13, pid=1234, name=ollama, Graphics SM Warp Exception on (GPC 0, TPC 1, SM 0): Out Of Range Address":       {Address: card, Xid: xid(13), PID: gpu.Of(uint32(1234)), Process: "ollama"},
		"NVRM: Xid (PCI:0000:3B:00): 31, pid='42', name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS":                        {Address: card, Xid: xid(31), PID: gpu.Of(uint32(42)), Process: "python3"},
		"NVRM: Xid (0000:3b:00): 43, Ch 00000010, engmask 00000101":                                                                             {Address: card, Xid: xid(43)},
		"[12.5] NVRM: Xid (PCI:0000:3b:00): 119, pid=7, name=a, Timeout after 6s of waiting for RPC response from GPU0 GSP!":                    {Address: card, Xid: xid(119), PID: gpu.Of(uint32(7)), Process: "a"},
		"NVRM: Xid (PCI:0001:3b:00): 999, pid=7, name=a, something new":                                                                         {Address: "0001:3b:00.0", Xid: xid(999), PID: gpu.Of(uint32(7)), Process: "a"},
		"NVRM: Xid (PCI:00010000:3b:00): 48, pid=7, name=a, DBE":                                                                                {Address: "10000:3b:00.0", Xid: xid(48), PID: gpu.Of(uint32(7)), Process: "a"},
		"NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.":                                                                                   {Address: card},
		"NVRM: GPU at PCI:0000:3b:00: GPU-00000000-1111-2222-3333-444444444444 has fallen off the bus":                                          {Address: card},
		"nvidia 0000:3b:00.0: NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:2330) installed in this system has fallen off the bus and is not": {Address: card},
	} {
		var p parser
		got, ok := p.parse(text)
		if !ok {
			t.Errorf("%q is no event", text)
			continue
		}
		if f, known := Lookup(79); !want.Xid.Known && (!known || got.Action != f.Action || got.Action != gpu.RestartHost) {
			t.Errorf("%q: the action is %q", text, got.Action)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(gpu.Event{}, "Name", "Meaning", "Action", "Text")); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
		if !strings.Contains(text, got.Text) || got.Text == "" {
			t.Errorf("%q: the text is %q", text, got.Text)
		}
	}
}

func TestLinesThatAreNoEvents(t *testing.T) {
	for _, text := range []string{
		"", "NVRM: ", "NVRM: Xid (", "NVRM: Xid (PCI:0000:3b:00)", "NVRM: Xid (PCI:0000:3b:00): many, of them",
		"NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.14", "usb 1-1: has fallen off the bus",
		"NVRM: Xid (PCI:0000:3b:00): 99999999999, pid=1",
	} {
		var p parser
		if e, ok := p.parse(text); ok {
			t.Errorf("%q is an event: %+v", text, e)
		}
	}
}

func TestACardIsNamedALineBefore(t *testing.T) {
	var p parser
	for _, text := range []string{
		"NVRM: The NVIDIA GPU 0000:b4:00.0 (PCI ID: 10de:2330)", "NVRM: installed in this system has", "usb 1-1: new device",
	} {
		if _, ok := p.parse(text); ok {
			t.Errorf("%q is an event", text)
		}
	}
	e, ok := p.parse("NVRM: fallen off the bus and is not responding to commands.")
	if !ok || e.Address != "0000:b4:00.0" || e.Xid.Known || e.Action != gpu.RestartHost {
		t.Errorf("the event is %+v, %v", e, ok)
	}
}

// kmsg makes a log that a test can write to, as the device gives it.
func kmsg(t *testing.T) (path string, say func(sequence int, seconds int, text string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kmsg")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return path, func(sequence, seconds int, text string) {
		fmt.Fprintf(f, "4,%d,%d,-;%s\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n", sequence, seconds*1_000_000, text)
	}
}

func TestTheLogIsReadOnce(t *testing.T) {
	path, say := kmsg(t)
	l, err := OpenLog(path, gpu.Value[uint64]{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.uptime = func() time.Duration { return 100 * time.Second }
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	if e, err := l.Read(nil, now); err != nil || len(e) != 0 || l.Last().Known {
		t.Fatalf("an empty log: %v, %v, %v", e, err, l.Last())
	}
	say(7, 70, "NVRM: Xid (PCI:0000:3b:00): 13, pid=1, name=a, hot")
	say(8, 71, "eth0: link up")
	events, err := l.Read(nil, now)
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	if e := events[0]; !e.At.Equal(now.Add(-30*time.Second)) || e.Source != gpu.FromLog || e.Action != gpu.RestartApp {
		t.Errorf("the event is %+v", e)
	}
	if l.Last() != gpu.Of(uint64(8)) {
		t.Errorf("the last record is %v", l.Last())
	}
	if e, err := l.Read(nil, now); err != nil || len(e) != 0 {
		t.Errorf("read again: %v, %v", e, err)
	}
}

func TestWhatWasReadBeforeIsLeftOut(t *testing.T) {
	path, say := kmsg(t)
	l, err := OpenLog(path, gpu.Of(uint64(7)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 3 {
		say(6+i, 70, fmt.Sprintf("NVRM: Xid (PCI:0000:3b:00): %d, pid=1, name=a, x", 60+i))
	}
	events, err := l.Read(nil, time.Now())
	if err != nil || len(events) != 1 || events[0].Xid != gpu.Of(uint32(62)) {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestALogThatCannotBeRead(t *testing.T) {
	if _, err := OpenLog(filepath.Join(t.TempDir(), "none"), gpu.Value[uint64]{}); err == nil {
		t.Error("a log that is not there was opened")
	}
	l, err := OpenLog(t.TempDir(), gpu.Value[uint64]{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Read(nil, time.Now()); err == nil {
		t.Error("a folder was read as a log")
	}
}

func TestAFaultIsToldOnce(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	event := func(address string, code uint32, seconds float64) *gpu.Event {
		return &gpu.Event{Address: address, Xid: gpu.Of(code), At: at(seconds)}
	}
	var s Seen
	for i, step := range []struct {
		event   *gpu.Event
		earlier time.Duration
		first   bool
	}{
		{event("a", 13, 0), 0, true},
		{event("a", 13, 0.9), 0, false},
		{event("b", 13, 0.9), 0, true},
		{event("a", 31, 0.9), 0, true},
		{event("a", 13, 2), 0, true},
		{event("a", 13, 12.5), 10 * time.Second, false}, // the library tells it ten seconds late
		{event("a", 48, 20), 10 * time.Second, true},
		{event("a", 48, 11), 0, false}, // and here the log is behind it
		{event("a", 48, 22), 0, true},
		{event("a", 79, 30), 0, true},
		{&gpu.Event{Address: "a", At: at(30.5)}, 0, false}, // in words, after the number
	} {
		if got := s.First(step.event, step.earlier); got != step.first {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("4,1,2,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=a, GPU has fallen off the bus.\n SUBSYSTEM=pci\n")
	f.Add("4,1,2,-;NVRM: GPU at PCI:0000:3b:00: GPU-0 has fallen off the bus")
	f.Fuzz(func(t *testing.T, lines string) {
		l := &Log{}
		for _, e := range l.records(nil, lines, time.Unix(1e9, 0), time.Hour) {
			if e.Address != "" && addressIn(e.Address) != e.Address {
				t.Errorf("the address %q of %q", e.Address, lines)
			}
			if !strings.Contains(lines, e.Text) {
				t.Errorf("the text %q is not of %q", e.Text, lines)
			}
		}
	})
}
