package hostmetrics

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/host"

	"github.com/corral-fleet/corral/sdk/wire"
)

// The temperatures that a sensor of a working machine can show. Drivers give
// values far outside (-128, 255.5) for a sensor that is not wired.
const (
	minCelsius = -60
	maxCelsius = 200
)

// sensorTable holds the last known temperatures.
type sensorTable struct {
	outage outage // touched by the background alone

	mu     sync.Mutex
	readAt time.Time
	rows   []wire.Sensor
	err    error // of the last answer
}

// refreshSensors reads all temperatures. Some drivers take seconds for it.
func (s *Sampler) refreshSensors(ctx context.Context) {
	err := s.attempts.sensors.try("sensors", func() {
		temps, err := guarded(func() ([]host.TemperatureStat, error) { return s.temps(ctx) })
		s.sensors.store(temps, err, s.now())
	})
	if err == nil {
		err = s.sensors.lastError()
	}
	s.sensors.outage.note(s.log, "sensors", err)
}

// store takes what was read. A sensor that fails beside others that work is
// just missing; that is how chips without a part of their wiring look.
func (t *sensorTable) store(temps []host.TemperatureStat, err error, now time.Time) {
	rows := plausible(temps)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = nil
	if len(rows) == 0 && err != nil {
		t.err = err
		return
	}
	t.rows, t.readAt = rows, now
}

// plausible returns the temperatures that can be true, each under a name of its
// own: of chips that are there several times, the second gets a "#2".
func plausible(temps []host.TemperatureStat) []wire.Sensor {
	rows := make([]wire.Sensor, 0, min(len(temps), MaxRows))
	count := make(map[string]int, len(temps))
	for _, temp := range temps {
		name := temp.SensorKey
		count[name]++
		if n := count[name]; n > 1 {
			name += "#" + strconv.Itoa(n)
		}
		if temp.Temperature > minCelsius && temp.Temperature < maxCelsius && len(rows) < MaxRows {
			rows = append(rows, wire.Sensor{Name: name, Celsius: float32(temp.Temperature)})
		}
	}
	return rows
}

func (t *sensorTable) lastError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// appendFresh appends the temperatures unless they are stale.
func (t *sensorTable) appendFresh(dst []wire.Sensor, now time.Time) []wire.Sensor {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.readAt) > staleAfter {
		return dst
	}
	return append(dst, t.rows...)
}
