package uplink

import (
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/hashicorp/go-hclog"
)

// SpoolOptions say how much a [Spool] keeps. All fields are required.
type SpoolOptions struct {
	Dir      string        // where its file is
	Interval time.Duration // between two samples that are kept
	Samples  int
	Bytes    int64 // of its file
	Log      hclog.Logger
}

// Spool keeps the samples that a [Ring] has no room for, one at each interval, in
// a file: a day of them is more than an agent may have in memory. The file has no
// name, so that nothing is left of it when the program ends, however it does: the
// samples are of its run. It is made when the first sample comes, and emptied when
// the last one goes. Where it can't be written, the samples are lost.
//
// A ring has its spool to itself.
type Spool struct {
	SpoolOptions
	file    *os.File
	queue   []spooled // oldest first
	next    int64     // where the next one is written
	failing bool      // and the log says so
}

// spooled is where a sample is in the file.
type spooled struct {
	seq        uint64
	unixMillis int64
	offset     int64
	size       int32
}

func (s *spooled) end() int64 { return s.offset + int64(s.size) }

// NewSpool returns an empty spool. There is no file before the first sample.
func NewSpool(o SpoolOptions) *Spool { return &Spool{SpoolOptions: o} }

// add keeps a sample, if the last one that was kept is long enough ago, by
// whichever way the clock was set meanwhile.
func (s *Spool) add(q queued) {
	if n := len(s.queue); n > 0 {
		apart := time.Duration(q.unixMillis-s.queue[n-1].unixMillis) * time.Millisecond
		if apart.Abs() < s.Interval {
			return
		}
	}
	size := int64(len(q.frame))
	if size > s.Bytes {
		return
	}
	if s.next+size > s.Bytes {
		s.next = 0 // its end is too short; what is at the beginning is the oldest
	}
	at := spooled{seq: q.seq, unixMillis: q.unixMillis, offset: s.next, size: int32(size)}
	n := 0
	for n < len(s.queue) && (len(s.queue)-n >= s.Samples || s.queue[n].offset < at.end() && at.offset < s.queue[n].end()) {
		n++
	}
	s.queue = append(s.queue[:0], s.queue[n:]...)
	if err := s.write(q.frame, at.offset); err != nil {
		s.fail(err)
		return
	}
	s.failing = false
	s.queue, s.next = append(s.queue, at), at.end()
}

func (s *Spool) write(frame []byte, offset int64) error {
	if s.file == nil {
		file, err := os.CreateTemp(s.Dir, "samples-*")
		if err != nil {
			return err
		}
		s.file = file
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
	}
	_, err := s.file.WriteAt(frame, offset)
	return err
}

// fail says once that samples are lost, until one is written again.
func (s *Spool) fail(err error) {
	if !s.failing {
		s.failing = true
		s.Log.Warn("samples for a control plane that is away are lost", "error", err)
	}
}

// forget drops the samples up to and including seq.
func (s *Spool) forget(seq uint64) {
	n := s.search(seq)
	if n == 0 {
		return
	}
	s.queue = append(s.queue[:0], s.queue[n:]...)
	if len(s.queue) > 0 {
		return
	}
	s.queue, s.next = nil, 0
	if err := s.file.Truncate(0); err != nil {
		s.fail(err)
	}
}

// search returns how many samples have a number up to seq.
func (s *Spool) search(seq uint64) int {
	return sort.Search(len(s.queue), func(i int) bool { return s.queue[i].seq > seq })
}

// after appends the oldest sample with a higher number than seq to dst. It returns
// false when there is none. One that can't be read is lost.
func (s *Spool) after(seq uint64, dst []byte) (found uint64, frame []byte, ok bool) {
	for i := s.search(seq); i < len(s.queue); i++ {
		q := &s.queue[i]
		size := len(dst) + int(q.size)
		for cap(dst) < size {
			dst = append(dst[:cap(dst)], 0)
		}
		frame = dst[:size]
		if _, err := s.file.ReadAt(frame[len(frame)-int(q.size):], q.offset); err != nil {
			s.fail(err)
			continue
		}
		return q.seq, frame, true
	}
	return seq, dst, false
}

// close gives the file back.
func (s *Spool) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close the spool of samples: %w", err)
	}
	return nil
}
