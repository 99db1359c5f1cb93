package client

import (
	"io"
	"sync"
	"time"
)

// meter reads files from an offset on, and tells how far it is. A transport may go on
// reading after its request has ended, from a goroutine of its own; after stop nobody
// hears of that.
type meter struct {
	row  *fileRow
	told func(doneBytes int64)

	mu         sync.Mutex
	at         int64
	over       bool
	err        error
	timer      *time.Timer // nil where nobody watches
	standstill time.Duration
}

func newMeter(row *fileRow, offset int64, told func(doneBytes int64)) *meter {
	return &meter{row: row, told: told, at: offset}
}

func (m *meter) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == m.row.sizeBytes || m.over {
		return 0, io.EOF
	}
	n, err := m.row.read(p, m.at)
	if err != nil {
		m.err = err
		return 0, err
	}
	m.at += int64(n)
	if m.timer != nil {
		m.timer.Reset(m.standstill)
	}
	m.told(m.at)
	return n, nil
}

// watch calls stalled once nothing was read for a while, until stop.
func (m *meter) watch(standstill time.Duration, stalled func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.standstill, m.timer = standstill, time.AfterFunc(standstill, stalled)
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	if m.timer != nil {
		m.timer.Stop()
	}
}

// failure is why a file can't be read.
func (m *meter) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
