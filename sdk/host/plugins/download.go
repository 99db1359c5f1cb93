package plugins

import (
	"cmp"
	"context"
	"errors"
	"io"

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
	reading, idle := newIdle(ctx, i.unit.config.times.idle)
	d := &download{instance: i, key: key, offset: r.OffsetBytes, left: r.LengthBytes, ctx: reading, idle: idle, leave: leave, again: maxAgain}
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
	if err := d.open(reading); err != nil {
		return nil, d.abandon(err)
	}
	return d, nil
}

// download reads an object over as many processes as it takes.
type download struct {
	instance *Instance
	key      string
	version  string          // "" is unknown
	offset   int64           // of what was not read yet
	left     int64           // how much of it there is, in that version
	toEnd    bool            // all that there is is wanted
	begun    bool            // something was read
	ctx      context.Context //nolint:containedctx // of the read, which lasts as long as the reader
	idle     *idle
	leave    func()
	again    int

	generation *generation
	in         io.ReadCloser
	err        error
}

// open opens the rest of the object, and tries again while its process ends.
func (d *download) open(ctx context.Context) error {
	for {
		err := d.openOnce(ctx)
		if err == nil || !errors.Is(err, errEnded) || d.again == 0 {
			return err
		}
		d.again--
	}
}

func (d *download) openOnce(ctx context.Context) error {
	d.idle.wait()
	defer d.idle.rest()
	g, b, err := d.instance.enter(ctx)
	if err != nil {
		return err
	}
	err = d.instance.unit.observe(ctx, g, d.instance.instance, "get", func() (err error) {
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
		d.err = d.goOn(d.instance.unit.explain(d.ctx, d.generation, err))
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
		d.instance.unit.judge(d.instance.instance, err)
		d.instance.unit.meter.failed(err)
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
	if opened := d.open(d.ctx); opened != nil || !d.begun {
		return opened
	}
	return d.unchanged(err)
}

// unchanged returns nil where the object is still what was read.
func (d *download) unchanged(cause error) error {
	now, err := d.instance.Stat(d.ctx, d.key)
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
