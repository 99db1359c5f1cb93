package uploads

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

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

// hand gives an upload of which all bytes are there to the sink.
func (s *Service) hand(ctx context.Context, u *fleet.Upload) error {
	done := Finished{Import: u.Import, ID: u.ID, OwnerID: u.OwnerID}
	for i, f := range u.Files {
		file := File{Name: f.Name, SizeBytes: f.SizeBytes, SHA256: f.SHA256}
		if u.Hash != nil { // else the sink knew the content, and nothing came
			file.Path = s.folder.at(stagedName(u.ID, i))
		}
		done.Files = append(done.Files, file)
	}
	_, err := s.Sink.Take(ctx, done)
	switch {
	case err != nil && mayPass(err):
		return err
	case err != nil:
		return s.fail(ctx, u, err)
	}
	u.State, u.Hash = fleet.UploadDone, nil
	if err := errors.Join(s.save(ctx, u), s.folder.removeAll(stagedNames(u))); err != nil {
		return err
	}
	s.Log.Info("upload done", "upload", u.ID, "model", u.Name, "files", len(u.Files), "size", u.SizeBytes, "caller", u.OwnerID)
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

// lost is that the bytes of an upload can't be found.
func lost(cause error) error {
	return fault.Wrap(fault.Conflict, fmt.Errorf("%w: %w", ErrOver, cause), "what came of the upload is lost; it has to begin again")
}

// fail ends an upload for a reason, and returns that.
func (s *Service) fail(ctx context.Context, u *fleet.Upload, reason error) error {
	u.State, u.Problem, u.Hash = fleet.UploadFailed, fault.MessageOf(reason), nil
	err := errors.Join(s.save(ctx, u), s.folder.removeAll(stagedNames(u)))
	s.Log.Warn("upload failed", "upload", u.ID, "model", u.Name, "error", reason)
	s.Sink.Changed(*u, u.OffsetBytes)
	if err != nil {
		return errors.Join(reason, err)
	}
	return reason
}
