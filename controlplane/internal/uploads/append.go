package uploads

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

var (
	// ErrDamaged is that a piece is not what its checksum says. It is as if it had not come.
	ErrDamaged error = fault.New(fault.Invalid, "the bytes that came don't have the checksum that was sent with them").On(fault.Caller)
	// ErrOver is that an upload has failed, and nothing can be added to it.
	ErrOver = errors.New("the upload is over")
)

// Piece is what is added to an upload.
type Piece struct {
	OffsetBytes int64     // where it belongs
	SizeBytes   int64     // -1 is unknown
	Body        io.Reader // an error of it is returned; what came before it is kept
	// Break makes a Read of Body that is under way fail with this error. Where it is nil,
	// the body never waits.
	Break func(error)
	// Sum makes the digest that the piece must have, and Checksum is it; nil is none.
	Sum      hash.Hash
	Checksum []byte
}

// Append adds to an upload, and returns it as it is then: what its OffsetBytes counts is
// on the disk for good. With the last byte the upload goes to the sink. Somebody else who
// works on the same upload is made to stop, with [ErrTakenOver]. When ctx ends, what came until
// then is kept.
//
// A piece that doesn't begin where the upload ends is fault.Conflict, one that is longer
// than what is missing fault.TooLarge.
func (s *Service) Append(ctx context.Context, id string, p Piece) (fleet.Upload, error) {
	turn, leave, err := s.turns.take(ctx, id)
	if err != nil {
		return fleet.Upload{}, err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what came is kept, whatever ends this
	u, err := s.find(ctx, id)
	if err != nil {
		return u, err
	}
	missing := u.SizeBytes - u.OffsetBytes
	switch {
	case u.State == fleet.UploadFailed:
		return u, fault.Wrap(fault.Conflict, ErrOver, "the upload has failed: %s", u.Problem).On(fault.Caller)
	case p.OffsetBytes != u.OffsetBytes:
		return u, fault.New(fault.Conflict, "the upload goes on at %d, not at %d", u.OffsetBytes, p.OffsetBytes).On(fault.Caller)
	case p.SizeBytes > missing:
		return u, fault.New(fault.TooLarge, "%d bytes are missing, and %d come", missing, p.SizeBytes).On(fault.Caller)
	case u.State == fleet.UploadDone:
		return u, nil
	case u.State == fleet.UploadReceiving:
		if err := s.receive(ctx, turn, &u, p); err != nil {
			return u, err
		}
	}
	if u.State == fleet.UploadReceived {
		err = s.hand(ctx, &u)
	}
	return u, err
}

// receive adds the bytes of a piece. Turn is the context that ends when they are wanted
// no longer.
func (s *Service) receive(ctx, turn context.Context, u *fleet.Upload, p Piece) error {
	file, err := s.folder.open(u.ID, u.OffsetBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return s.lost(ctx, u, err)
	}
	if err != nil {
		return err
	}
	defer file.Close() // after a flush there is nothing left to fail
	sum, err := goOn(u.Hash)
	if err != nil {
		return s.lost(ctx, u, err)
	}
	if err := s.folder.reserve(file, u.SizeBytes); err != nil {
		return err
	}
	if p.Break != nil {
		defer context.AfterFunc(turn, func() { p.Break(context.Cause(turn)) })()
	}
	begin := u.OffsetBytes
	in := pump{
		file: file, at: begin, limit: u.SizeBytes - begin, sum: sum, extra: p.Sum, flushBytes: s.flushBytes,
		notify: func(received int64) { s.Sink.Changed(*u, received) },
	}
	now := *u // of which the pump's flushes change a copy: u is being read
	if p.Sum == nil {
		in.flushed = func(offset int64, state []byte) error {
			now.OffsetBytes, now.Hash = offset, state
			return s.save(ctx, &now)
		}
	}
	memory := s.memory.Get().(*pieceSet)
	defer s.memory.Put(memory)
	ended := in.run(p.Body, memory)
	if errors.Is(ended, errTooMany) {
		return s.fail(ctx, u, ended)
	}
	if p.Sum != nil && (ended != nil || !bytes.Equal(p.Sum.Sum(nil), p.Checksum)) {
		return cmp.Or(ended, ErrDamaged) // of which nobody noted anything
	}
	if in.at == begin && u.SizeBytes > begin {
		return ended
	}
	if err := in.finish(); err != nil {
		u.OffsetBytes, u.Hash = now.OffsetBytes, now.Hash
		return cmp.Or(ended, err)
	}
	u.OffsetBytes, u.Hash = in.at, stateOf(sum)
	announced := u.SHA256
	if u.OffsetBytes == u.SizeBytes {
		u.State, u.SHA256 = fleet.UploadReceived, digestOf(sum)
	}
	if announced != "" && u.State == fleet.UploadReceived && announced != u.SHA256 {
		return s.fail(ctx, u, fault.New(fault.Invalid, "the sha256 of what came is %s, not %s", u.SHA256, announced).On(fault.Caller))
	}
	if err := s.save(ctx, u); err != nil {
		return err
	}
	s.Sink.Changed(*u, u.OffsetBytes)
	if u.State == fleet.UploadReceived {
		return nil // that the line broke behind the last byte is no harm
	}
	return ended
}

// hand gives an upload of which all bytes are there to the sink.
func (s *Service) hand(ctx context.Context, u *fleet.Upload) error {
	f := File{Name: u.Filename, SizeBytes: u.SizeBytes, SHA256: u.SHA256}
	if u.Hash != nil { // else the sink knew the content, and nothing came
		f.Path = s.folder.at(u.ID)
	}
	_, err := s.Sink.Take(ctx, Finished{Import: u.Import, ID: u.ID, OwnerID: u.OwnerID, Files: []File{f}})
	switch {
	case err != nil && mayPass(err):
		return err
	case err != nil:
		return s.fail(ctx, u, err)
	}
	u.State, u.Hash = fleet.UploadDone, nil
	if err := errors.Join(s.save(ctx, u), s.folder.remove(u.ID)); err != nil {
		return err
	}
	s.Log.Info("upload done", "upload", u.ID, "model", u.Name, "size", u.SizeBytes, "sha256", u.SHA256, "caller", u.OwnerID)
	s.Sink.Changed(*u, u.OffsetBytes)
	return nil
}

// mayPass reports whether it is worth to give the same to the sink again.
func mayPass(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.Canceled, fault.NoSpace, fault.Internal, fault.RateLimited:
		return true
	}
	return false
}

// lost fails an upload of which the bytes can't be found.
func (s *Service) lost(ctx context.Context, u *fleet.Upload, cause error) error {
	return s.fail(ctx, u, fault.Wrap(fault.Conflict, fmt.Errorf("%w: %w", ErrOver, cause), "what came of the upload is lost; it has to begin again"))
}

// fail ends an upload for a reason, and returns that.
func (s *Service) fail(ctx context.Context, u *fleet.Upload, reason error) error {
	u.State, u.Problem, u.Hash = fleet.UploadFailed, fault.MessageOf(reason), nil
	err := errors.Join(s.save(ctx, u), s.folder.remove(u.ID))
	s.Log.Warn("upload failed", "upload", u.ID, "model", u.Name, "error", reason)
	s.Sink.Changed(*u, u.OffsetBytes)
	if err != nil {
		return errors.Join(reason, err)
	}
	return reason
}
