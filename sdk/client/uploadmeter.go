package client

import (
	"io"
	"sync"
	"time"
)

// meter reads a file from an offset on, and tells how far it is. A transport may go on
// reading after its request has ended, from a goroutine of its own; after stop nobody
// hears of that.
type meter struct {
	file *UploadFile
	told func(doneBytes int64)

	mu         sync.Mutex
	at         int64
	over       bool
	err        error
	timer      *time.Timer // nil where nobody watches
	standstill time.Duration
}

func newMeter(f *UploadFile, offset int64, told func(doneBytes int64)) *meter {
	return &meter{file: f, told: told, at: offset}
}

func (m *meter) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.file.SizeBytes - m.at
	if left == 0 || m.over {
		return 0, io.EOF
	}
	n, err := m.file.Content.ReadAt(p[:min(int64(len(p)), left)], m.at)
	m.at += int64(n)
	if m.timer != nil {
		m.timer.Reset(m.standstill)
	}
	m.told(m.at)
	if n > 0 {
		return n, nil
	}
	m.err = unreadable(m.file, err)
	return 0, m.err
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

// failure is why the file can't be read.
func (m *meter) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
