//go:build cgo

package source

import (
	"slices"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/xid"
)

// faults are what the driver reports by itself, to those who registered and in
// the kernel log. Neither has them all. Nothing waits here: each reading takes
// what is there.
type faults struct {
	lib   nvml.Interface
	path  string // of the log; none where it is empty
	after gpu.Value[uint64]

	log      *xid.Log
	logError string // why the log cannot be read
	set      nvml.EventSet
	cards    []*card // that are registered
	seen     xid.Seen
	lastRead time.Time
}

// maxEvents bounds the events that one reading takes from the driver.
const maxEvents = 64

// register asks the driver to report a card's faults.
func (f *faults) register(c *card) {
	if c.registered || c.lost != nvml.SUCCESS || !c.supports("#events") {
		return
	}
	types := ask(c, "#events", c.handle.GetSupportedEventTypes)
	if types.V&nvml.EventTypeXidCriticalError == 0 {
		return
	}
	if f.set == nil {
		set, ret := f.lib.EventSetCreate()
		if !c.note("#events", ret) {
			return
		}
		f.set = set
	}
	if c.note("#events", c.handle.RegisterEvents(nvml.EventTypeXidCriticalError, f.set)) {
		c.registered = true
		if !slices.Contains(f.cards, c) {
			f.cards = append(f.cards, c)
		}
	}
}

func (f *faults) registered() bool { return f.set != nil }

// read appends what happened since it was called last.
func (f *faults) read(into *gpu.Reading, now time.Time) {
	since := time.Duration(0)
	if !f.lastRead.IsZero() {
		since = now.Sub(f.lastRead)
	}
	f.lastRead = now
	f.readLog(into, now)
	if into.State == gpu.OK {
		f.readDriver(into, now, since)
	}
}

// readLog is first, as the log says more.
func (f *faults) readLog(into *gpu.Reading, now time.Time) {
	if f.path == "" {
		return
	}
	if f.log == nil {
		if f.logError != "" {
			return
		}
		log, err := xid.OpenLog(f.path, f.after)
		if err != nil {
			f.logError = "the kernel log cannot be read, which needs CAP_SYSLOG: " + err.Error()
			return
		}
		f.log = log
	}
	from := len(into.Events)
	var err error
	if into.Events, err = f.log.Read(into.Events, now); err != nil {
		f.logError = err.Error()
		f.log.Close()
		f.log = nil
	} else {
		into.LogSequence = f.log.Last()
	}
	f.once(into, from, 0)
}

func (f *faults) readDriver(into *gpu.Reading, now time.Time, since time.Duration) {
	if f.set == nil {
		return
	}
	from := len(into.Events)
	for range maxEvents {
		event, ret := f.lib.EventSetWait(f.set, 0)
		if ret == nvml.ERROR_TIMEOUT {
			break
		}
		if ret != nvml.SUCCESS {
			f.begin()
			break
		}
		if event.EventType == nvml.EventTypeXidCriticalError {
			into.Events = append(into.Events, f.event(&event, now))
		}
	}
	f.once(into, from, since)
}

// begin lets go of the set, which a lost card makes useless, so that the cards
// register anew when they are looked at.
func (f *faults) begin() {
	for _, c := range f.cards {
		c.registered = false
	}
	f.cards = f.cards[:0]
	_ = f.set.Free() // one that cannot be freed is of no use either
	f.set = nil
}

func (f *faults) event(e *nvml.EventData, now time.Time) gpu.Event {
	event := gpu.Event{At: now.UTC(), Source: gpu.FromDriver, Xid: gpu.Of(uint32(e.EventData))}
	for _, c := range f.cards {
		if c.handle == e.Device {
			event.UUID, event.Address = c.device.UUID, c.device.Address
		}
	}
	xid.Describe(&event)
	return event
}

// once leaves out what has been told, and says which card the rest is of.
func (f *faults) once(into *gpu.Reading, from int, earlier time.Duration) {
	kept := into.Events[:from]
	for _, e := range into.Events[from:] {
		if !f.seen.First(&e, earlier) {
			continue
		}
		for i := range into.Devices {
			if d := &into.Devices[i]; e.UUID == "" && e.Address != "" && d.Address == e.Address {
				e.UUID = d.UUID
			}
		}
		kept = append(kept, e)
	}
	into.Events = kept
}
