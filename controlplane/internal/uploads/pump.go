package uploads

import (
	"encoding"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
)

// How large the steps are.
const (
	pieceBytes  = 256 << 10 // that are read, written and hashed at once: they stay in a core's cache
	pieces      = 4         // under way at once
	flushBytes  = 64 << 20  // after so many, the disk is told to keep them,
	flushAfter  = 2 * time.Second
	notifyAfter = 250 * time.Millisecond
)

// pieceSet is the memory of a pump. Those of pumps that have ended serve the next ones.
type pieceSet [pieces][pieceBytes]byte

// pump moves what a caller sends into a file and its digest. Reading, writing and hashing
// go on beside each other, each on a piece of its own, and so does flushing.
type pump struct {
	file  *os.File
	at    int64     // where the next byte goes in the file
	limit int64     // bytes that may come
	sum   hash.Hash // of the whole file
	extra hash.Hash // of what comes now; nil is none
	// flushBytes is after how many bytes they are flushed.
	flushBytes int64
	// flushed hears of bytes that are on the disk for good, with the state of sum at that
	// place; an error of it ends the pump. nil is nobody.
	flushed func(offset int64, state []byte) error
	// room is asked before each flush whether the disk may be filled further; nil isn't asked.
	room func() error
	// notify hears of how many bytes came so far: at the beginning, and then not too often.
	notify func(received int64)

	received atomic.Int64          // what notify hears next
	failed   atomic.Pointer[error] // the first failure but the reader's
	unstable error                 // a flush that failed; who reads it waits for the end of run
}

// errTooMany is that a caller sends more than it said.
var errTooMany error = fault.New(fault.TooLarge, "more bytes came than were announced").On(fault.Caller)

// piece is some memory with bytes that came.
type piece struct {
	memory []byte
	n      int
}

// run pumps until from ends, fails, or has more than the limit. However it ends, what came
// is in the file and in the digest, as far as p.at tells; it need not be on the disk.
func (p *pump) run(from io.Reader, memory *pieceSet) error {
	free, full, written := make(chan piece, pieces), make(chan piece, pieces), make(chan piece, pieces)
	for i := range memory {
		free <- piece{memory: memory[i][:]}
	}
	begin, ended := p.at, make(chan struct{})
	p.received.Store(begin)
	p.notify(begin)
	var working sync.WaitGroup
	working.Go(func() { p.write(full, written) })
	working.Go(func() { p.hash(written, free) })
	working.Go(func() { p.tell(begin, ended) })
	err := p.read(from, free, full)
	close(full)
	close(ended)
	working.Wait()
	if failed := p.failed.Load(); failed != nil {
		return *failed
	}
	return err
}

func (p *pump) fail(err error) {
	if err != nil {
		first := err // a copy of its own: err itself would lie on the heap in any case
		p.failed.CompareAndSwap(nil, &first)
	}
}

// read fills pieces, each as a whole, so that a slow line costs few writes.
func (p *pump) read(from io.Reader, free <-chan piece, full chan<- piece) error {
	received := int64(0)
	for {
		c := <-free
		if p.failed.Load() != nil {
			return nil
		}
		var err error
		for c.n = 0; c.n < len(c.memory) && err == nil; {
			space := c.memory[c.n:]
			if left := p.limit - received; int64(len(space)) > left+1 { // the one shows that there is more
				space = space[:left+1]
			}
			var n int
			n, err = from.Read(space)
			if received+int64(n) > p.limit {
				n, err = int(p.limit-received), errTooMany
			}
			c.n += n
			received += int64(n)
			p.received.Add(int64(n))
		}
		full <- c
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tell tells of what comes after what was told, until ended is closed. What came before a
// line stood still is told as well.
func (p *pump) tell(told int64, ended <-chan struct{}) {
	ticker := time.NewTicker(notifyAfter)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
		if now := p.received.Load(); now != told {
			told = now
			p.notify(now)
		}
	}
}

// write writes pieces. After a failure it lets the others pass, emptied.
func (p *pump) write(full <-chan piece, written chan<- piece) {
	defer close(written)
	at := p.at
	for c := range full {
		if p.failed.Load() != nil {
			c.n = 0
		}
		n, err := p.file.WriteAt(c.memory[:c.n], at)
		p.fail(explain(err))
		c.n = n
		at += int64(n)
		written <- c
	}
}

// hash hashes what was written, and has it flushed.
func (p *pump) hash(written <-chan piece, free chan<- piece) {
	var flushing sync.WaitGroup
	defer flushing.Wait()
	idle := make(chan struct{}, 1)
	idle <- struct{}{}
	last, lastAt := p.at, time.Now()
	for c := range written {
		p.sum.Write(c.memory[:c.n]) // a hash never fails
		if p.extra != nil {
			p.extra.Write(c.memory[:c.n])
		}
		p.at += int64(c.n)
		free <- c
		if p.at == last || p.at-last < p.flushBytes && time.Since(lastAt) < flushAfter {
			continue
		}
		select {
		case <-idle:
		default: // the disk is slower than the line
			continue
		}
		if p.failed.Load() != nil { // the idle one has given its outcome
			continue
		}
		last, lastAt = p.at, time.Now()
		offset, state := p.at, stateOf(p.sum)
		flushing.Go(func() {
			p.unstable = p.flush(offset, state)
			p.fail(p.unstable)
			idle <- struct{}{}
		})
	}
}

// flush makes the disk keep what was written until now, of which offset is a part.
func (p *pump) flush(offset int64, state []byte) error {
	if p.room != nil {
		if err := p.room(); err != nil {
			return err
		}
	}
	if err := p.sync(); err != nil || p.flushed == nil {
		return err
	}
	return p.flushed(offset, state)
}

func (p *pump) sync() error {
	if err := unix.Fdatasync(int(p.file.Fd())); err != nil {
		return explain(&os.PathError{Op: "fdatasync", Path: p.file.Name(), Err: err})
	}
	return nil
}

// finish makes the disk keep everything that a pump that has ended wrote. After a flush
// that failed nobody knows what the disk has, and another one would not tell.
func (p *pump) finish() error {
	if p.unstable != nil {
		return p.unstable
	}
	return p.sync()
}

// stateOf returns what a digest can go on from.
func stateOf(sum hash.Hash) []byte {
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // those of the standard library never fail
	}
	return state
}
