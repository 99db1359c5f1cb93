package plugins

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// resumable is how long a read is at least that is gone on with after the process has
// ended: it costs to ask for the version of the object before.
const resumable = 1 << 20

// Get implements [storage.Backend]. A read whose process ends goes on in the next one
// from where it was, if the object is still the same.
func (i *Instance) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	leave, err := i.transfer(ctx)
	if err != nil {
		return nil, err
	}
	d := &download{instance: i, key: key, offset: r.OffsetBytes, left: r.LengthBytes, idle: newIdle(ctx, i.unit.config.times.idle), leave: leave, again: maxAgain}
	if r.LengthBytes == 0 || r.LengthBytes >= resumable {
		// What is read is this version or a later one, and it is this one if that is
		// still the version when the rest has been opened.
		info, err := i.Stat(ctx, key)
		if err == nil {
			_, d.left, err = r.Of(info.SizeBytes)
		}
		if err != nil {
			return nil, d.abandon(err)
		}
		d.version, d.toEnd = info.Version, r.LengthBytes == 0
	}
	if err := d.open(); err != nil {
		return nil, d.abandon(err)
	}
	return d, nil
}

// download reads an object over as many processes as it takes.
type download struct {
	instance *Instance
	key      string
	version  string // "" is unknown
	offset   int64  // of what was not read yet
	left     int64  // how much of it there is, in that version
	toEnd    bool   // all that there is is wanted
	begun    bool   // something was read
	idle     *idle
	leave    func()
	again    int

	generation *generation
	in         io.ReadCloser
	err        error
}

// open opens the rest of the object, and tries again while its process ends.
func (d *download) open() error {
	for {
		err := d.openOnce()
		if err == nil || !errors.Is(err, errEnded) || d.again == 0 {
			return err
		}
		d.again--
	}
}

func (d *download) openOnce() error {
	ctx := d.idle.ctx
	d.idle.wait()
	defer d.idle.rest()
	g, b, err := d.instance.enter(ctx)
	if err != nil {
		return err
	}
	err = d.instance.unit.observe(ctx, g, d.instance, "get", func() (err error) {
		r := storage.Range{OffsetBytes: d.offset, LengthBytes: d.left}
		if d.toEnd {
			r.LengthBytes = 0
		}
		d.in, err = b.Get(ctx, d.key, r)
		return err
	})
	if err != nil {
		g.leave()
		return err
	}
	d.generation = g
	return nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.err != nil {
			return 0, d.err
		}
		d.idle.wait()
		n, err := d.in.Read(p)
		d.idle.rest()
		d.took(int64(n))
		if err == nil || err == io.EOF {
			d.err = err
			return n, err
		}
		d.err = d.goOn(d.instance.unit.explain(d.idle.ctx, d.generation, err))
		if n > 0 {
			return n, nil
		}
	}
}

// took notes that so many bytes of the rest have come.
func (d *download) took(n int64) {
	if n == 0 {
		return
	}
	d.begun = true
	d.offset += n
	d.left -= n
	d.instance.unit.meter.received.Add(n)
}

// goOn opens the rest of the object where the process has ended under it, and returns
// the error that is left.
func (d *download) goOn(err error) error {
	if !errors.Is(err, errEnded) || d.again == 0 || d.begun && d.version == "" && d.left > 0 {
		d.instance.unit.judge(d.instance, err)
		return err
	}
	d.again--
	if closed := d.close(); closed != nil {
		d.instance.unit.log.Debug("what a process that has ended was reading can't be closed", "error", closed)
	}
	if d.begun && d.left <= 0 {
		// All has come but its end.
		if d.version == "" {
			return io.EOF
		}
		return cmp.Or(d.unchanged(err), io.EOF)
	}
	if opened := d.open(); opened != nil || !d.begun {
		return opened
	}
	return d.unchanged(err)
}

// unchanged returns nil where the object is still what was read.
func (d *download) unchanged(cause error) error {
	now, err := d.instance.Stat(d.idle.ctx, d.key)
	if err != nil {
		return err
	}
	if now.Version != d.version {
		return fault.Wrap(fault.Unavailable, cause, "the object broke off, and was replaced before it could be gone on with").On(fault.Plugin)
	}
	return nil
}

// close closes what is read in a process.
func (d *download) close() error {
	if d.in == nil {
		return nil
	}
	err := d.in.Close()
	d.in = nil
	d.generation.leave()
	return err
}

// abandon ends a download that was not begun, because of err.
func (d *download) abandon(err error) error {
	d.idle.end()
	d.leave()
	return err
}

// Close implements io.Closer.
func (d *download) Close() error {
	if d.leave == nil {
		return nil
	}
	err := d.close()
	d.err = fault.New(fault.Internal, "a reader is used after its end")
	d.idle.end()
	d.leave()
	d.leave = nil
	return err
}

// sends is an upload's source, which notes what is read of it and how long the plugin
// takes in between.
type sends struct {
	storage.Source
	idle   *idle
	meter  *meter
	commit time.Duration // from the last byte on
	opened bool
	again  error // why it could not be opened again
}

// Open implements [storage.Source].
func (s *sends) Open() (io.ReadCloser, error) {
	in, err := s.Source.Open()
	if err != nil {
		if s.opened {
			s.again = err
		}
		return nil, err
	}
	s.opened = true
	return &sent{ReadCloser: in, of: s}, nil
}

type sent struct {
	io.ReadCloser
	of *sends
}

func (s *sent) Read(p []byte) (int, error) {
	s.of.idle.rest()
	n, err := s.ReadCloser.Read(p)
	s.of.meter.sent.Add(int64(n))
	if err == io.EOF {
		s.of.idle.waitFor(s.of.commit)
	} else {
		s.of.idle.wait()
	}
	return n, err
}

// Put implements [storage.Backend]. An upload whose process ends is begun again where
// its source can be opened again.
func (i *Instance) Put(ctx context.Context, key string, src storage.Source) error {
	return i.upload(ctx, "put", src, true, func(ctx context.Context, b storage.Backend, src storage.Source) error {
		return b.Put(ctx, key, src)
	})
}

// Create implements [storage.Creator]. One whose process ends is not begun again once
// anything was sent: whether it had succeeded would not be known.
func (i *Instance) Create(ctx context.Context, key string, src storage.Source) error {
	return i.upload(ctx, "create", src, false, func(ctx context.Context, b storage.Backend, src storage.Source) error {
		return as(func(ctx context.Context, c storage.Creator) error { return c.Create(ctx, key, src) })(ctx, b)
	})
}

func (i *Instance) upload(ctx context.Context, name string, src storage.Source, again bool, do func(context.Context, storage.Backend, storage.Source) error) error {
	leave, err := i.transfer(ctx)
	if err != nil {
		return err
	}
	defer leave()
	times := i.unit.config.times
	watched := &sends{Source: src, idle: newIdle(ctx, times.idle), meter: i.unit.meter, commit: times.commit}
	defer watched.idle.end()
	var last error
	for range 1 + maxAgain {
		watched.idle.wait()
		err := i.once(watched.idle.ctx, name, func(ctx context.Context, b storage.Backend) error { return do(ctx, b, watched) })
		if watched.again != nil && last != nil {
			return last
		}
		if last = err; !errors.Is(err, errEnded) || !again && watched.opened {
			break
		}
	}
	return last
}
