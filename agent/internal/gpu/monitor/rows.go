package monitor

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	maxCards = 256 // of one host that are told of

	// overdue is how much later than the next one should have come a reading stops
	// being the present.
	overdue = 2 * time.Second
)

// AppendGPUs appends the cards to dst, as they are now. A card that can't be read
// is a row too. It takes no memory beyond dst's.
func (m *Monitor) AppendGPUs(dst []wire.GPU) []wire.GPU {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := len(dst)
	dst = append(dst, m.rows...)
	if m.late() {
		for i := range dst[at:] {
			blank(&dst[at+i])
		}
	}
	return dst
}

// late reports whether the last reading is too old to be the present.
func (m *Monitor) late() bool {
	return !m.taken.IsZero() && time.Since(m.taken) > m.Every+overdue
}

// take takes up the reading in m.spare.
func (m *Monitor) take() {
	m.mu.Lock()
	if !m.released.IsZero() {
		m.mu.Unlock()
		return
	}
	m.reading, m.spare = m.spare, m.reading
	m.taken = time.Now()
	m.fill()
	m.enter(m.told())
	m.note(m.reading.Events)
	if m.reading.LogSequence.Known {
		m.logged = m.reading.LogSequence
	}
	m.mu.Unlock()
	m.signal()
}

// told returns the state that the reading tells. What a newer probe may say beside
// these is a failure.
func (m *Monitor) told() condition {
	switch r := &m.reading; r.State {
	case gpu.OK:
		if len(m.rows) == 0 {
			return condition{wire.GPUsNone, r.Message}
		}
		return condition{wire.GPUsOK, r.Message}
	case gpu.NoDriver, gpu.NoLibrary, gpu.VersionMismatch:
		return condition{string(r.State), r.Message}
	case gpu.Failed, gpu.Unknown:
	}
	return condition{wire.GPUsFailed, m.reading.Message}
}

// card is by what a card is known that was once told of.
type card struct{ uuid, name, address string }

// fill makes the rows of the reading. A card that was known and is no longer told
// of keeps its row: as lost where the driver tells of the others, else as unknown.
func (m *Monitor) fill() {
	r := &m.reading
	m.rows = m.rows[:0]
	for i := range r.Devices {
		if d := &r.Devices[i]; len(m.rows) < maxCards {
			m.recognise(d)
			row := rowOf(d, r.Source)
			if !d.Index.Known { // the driver doesn't list it, and numbers the others
				row.Index = uint32(len(m.rows))
			}
			m.rows = append(m.rows, row)
		}
	}
	for _, c := range m.cards {
		if len(m.rows) == maxCards || slices.ContainsFunc(m.rows, func(row wire.GPU) bool { return row.UUID == c.uuid }) {
			continue
		}
		row := wire.GPU{UUID: c.uuid, Index: uint32(len(m.rows)), Name: c.name, Source: shownSource(r.Source)}
		blank(&row)
		if r.State == gpu.OK {
			row.State, row.Message = wire.GPULost, "it was there, and the driver no longer lists it"
		}
		m.rows = append(m.rows, row)
	}
}

// recognise remembers a card. One without a driver, which is known by its place
// alone, is the card that was there before.
func (m *Monitor) recognise(d *gpu.Device) {
	for i := range m.cards {
		c := &m.cards[i]
		switch {
		case c.uuid == d.UUID:
			return
		case d.Health == gpu.Undriven && d.Address != "" && d.Address == c.address:
			d.UUID, d.Name = c.uuid, c.name
			return
		}
	}
	if len(m.cards) < maxCards {
		m.cards = append(m.cards, card{d.UUID, d.Name, d.Address})
	}
}

// rowOf is a card in a sample.
func rowOf(d *gpu.Device, from string) wire.GPU {
	row := wire.GPU{
		UUID: d.UUID, Index: d.Index.V, Name: d.Name, State: stateOf(d.Health), Message: d.Message, Source: shownSource(from),
		UtilizationPercent: number(d.UtilizationPercent, 1), TemperatureCelsius: number(d.TemperatureCelsius, 1),
		SlowdownCelsius: number(d.SlowdownCelsius, 1),
		PowerWatts:      number(d.PowerMilliwatts, 1000), PowerLimitWatts: number(d.PowerLimitMilliwatts, 1000),
		Clocks: wire.GPUClocks{
			Known:           d.SMClockMHz.Known || d.MemoryClockMHz.Known,
			SMMegahertz:     number(d.SMClockMHz, 1),
			MemoryMegahertz: number(d.MemoryClockMHz, 1),
			ThrottleKnown:   d.ThrottleReasons.Known, ThrottleReasons: d.ThrottleReasons.V,
		},
	}
	if d.MemoryTotalBytes.Known && d.MemoryUsedBytes.Known {
		row.Memory = wire.GPUMemory{Known: true, TotalBytes: d.MemoryTotalBytes.V, UsedBytes: d.MemoryUsedBytes.V, ReservedBytes: d.MemoryReservedBytes.V}
	}
	return row
}

// shownSource is the source of a row: none where it is real.
func shownSource(from string) string {
	if Real(from) {
		return ""
	}
	return from
}

// stateOf is what a card is able to do, for the control plane.
func stateOf(h gpu.Health) string {
	switch h {
	case gpu.Healthy, gpu.Suspended:
		return wire.GPUOK
	case gpu.Degraded, gpu.Erring:
		return wire.GPUDegraded
	case gpu.Lost, gpu.ResetRequired, gpu.Undriven:
		return wire.GPULost
	case gpu.Unread:
	}
	return wire.GPUUnknown
}

func number(v gpu.Value[uint32], divisor float32) float32 {
	if !v.Known {
		return float32(math.NaN())
	}
	return float32(v.V) / divisor
}

// blank takes from a row all that may have changed since it was read.
func blank(row *wire.GPU) {
	nan := float32(math.NaN())
	*row = wire.GPU{
		UUID: row.UUID, Index: row.Index, Name: row.Name, Source: row.Source, Message: "it can't be read now",
		UtilizationPercent: nan, TemperatureCelsius: nan, SlowdownCelsius: nan, PowerWatts: nan, PowerLimitWatts: nan,
	}
}

// unknown keeps the cards, of which nothing is known now.
func (m *Monitor) unknown() {
	for i := range m.rows {
		blank(&m.rows[i])
	}
}

// forget forgets the cards: there are none any more.
func (m *Monitor) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows, m.cards = m.rows[:0], nil
}

// Real reports whether a source tells of cards that exist.
func Real(from string) bool { return from != "demo" && !strings.HasPrefix(from, "recorded:") }
