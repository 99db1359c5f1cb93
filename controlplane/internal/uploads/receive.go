package uploads

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// receive adds the bytes of a piece. Turn is the context that ends when they are wanted
// no longer.
func (s *Service) receive(ctx, turn context.Context, u *fleet.Upload, p Piece) error {
	first, haveBytes := position(u)
	if err := s.reserve(u, first, haveBytes); errors.Is(err, fs.ErrNotExist) {
		return s.fail(ctx, u, lost(err))
	} else if err != nil {
		return err
	}
	if p.Break != nil {
		defer context.AfterFunc(turn, func() { p.Break(context.Cause(turn)) })()
	}
	memory := s.memory.Get().(*pieceSet)
	defer s.memory.Put(memory)
	in := intake{service: s, upload: *u, piece: p, notedBytes: u.OffsetBytes, notedAt: time.Now()}
	in.upload.Files = slices.Clone(u.Files)
	ended := in.run(ctx, first, haveBytes, memory)
	switch {
	case errors.Is(ended, errTooMany):
		return s.fail(ctx, u, ended)
	case p.Sum != nil && (ended != nil || !bytes.Equal(p.Sum.Sum(nil), p.Checksum)):
		return cmp.Or(ended, ErrDamaged) // of which nobody noted anything
	case in.failed != nil:
		*u = in.upload
		return s.fail(ctx, u, in.failed)
	case in.upload.OffsetBytes == u.OffsetBytes && in.upload.State == u.State:
		return ended
	}
	*u = in.upload
	if err := s.save(ctx, u); err != nil {
		return err
	}
	s.Sink.Changed(*u, u.OffsetBytes)
	if u.State == fleet.UploadReceived {
		return nil // that the line broke behind the last byte is no harm
	}
	return ended
}

// reserve gives the files of an upload that are not whole their room on the disk, where it
// has room for all of them: the one in which the next byte lies, of which so many are there,
// and those behind it. One of which fewer are there is [fs.ErrNotExist].
func (s *Service) reserve(u *fleet.Upload, first int, haveBytes int64) error {
	var total int64
	need := make([]int64, len(u.Files))
	for i := first; i < len(u.Files); i, haveBytes = i+1, 0 {
		var err error
		if need[i], err = s.folder.unreserved(stagedName(u.ID, i), haveBytes, u.Files[i].SizeBytes); err != nil {
			return err
		}
		total += need[i]
	}
	if total == 0 {
		return nil
	}
	if err := s.folder.room(total); err != nil {
		return err
	}
	for i, bytes := range need {
		if bytes == 0 {
			continue
		}
		if err := s.folder.reserve(stagedName(u.ID, i), u.Files[i].SizeBytes); err != nil {
			return err
		}
	}
	return nil
}

// intake is a piece on its way into the files of an upload.
type intake struct {
	service *Service
	upload  fleet.Upload // as the disk has it
	piece   Piece
	failed  error // why nothing can become of the upload

	notedBytes int64 // the offset that the store has, where the piece has no checksum
	notedAt    time.Time
}

// run takes the piece in, from a file on of which so many bytes are there. It returns why
// no more came, and nil where the piece is over.
func (in *intake) run(ctx context.Context, file int, haveBytes int64, memory *pieceSet) error {
	var ended error
	for ; file < len(in.upload.Files); file, haveBytes = file+1, 0 {
		var whole bool
		whole, ended = in.fill(ctx, file, haveBytes, memory)
		switch {
		case !whole, in.failed != nil && in.piece.Sum == nil:
			return ended
		case ended != nil:
			in.piece.Body = failing{ended} // files that are empty need nothing from it
		}
	}
	in.upload.State = fleet.UploadReceived
	return ended
}

// failing is a body of which nothing more comes.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// fill adds to one file, and reports whether all of its bytes are there now.
func (in *intake) fill(ctx context.Context, file int, haveBytes int64, memory *pieceSet) (whole bool, ended error) {
	s, u, f := in.service, &in.upload, &in.upload.Files[file]
	to, err := s.folder.open(stagedName(u.ID, file))
	if err != nil {
		return false, err
	}
	defer to.Close() // after a flush there is nothing left to fail
	sum, err := goOn(u.Hash)
	if err != nil {
		in.failed = lost(err)
		return false, in.failed
	}
	begin := u.OffsetBytes - haveBytes
	p := pump{
		file: to, at: haveBytes, limit: f.SizeBytes - haveBytes, sum: sum, extra: in.piece.Sum, flushBytes: s.flushBytes,
		notify: func(received int64) { s.Sink.Changed(*u, begin+received) },
	}
	now := *u // of which the pump's flushes change a copy: u is being read
	if in.piece.Sum == nil {
		p.flushed = func(offset int64, state []byte) error {
			if offset == f.SizeBytes {
				return nil // what has all of its bytes is noted when its digest is known to be right
			}
			now.OffsetBytes, now.Hash = begin+offset, state
			return in.note(ctx, &now)
		}
	}
	from := in.piece.Body
	if file < len(u.Files)-1 {
		from = io.LimitReader(from, p.limit) // what follows is of the next file
	}
	ended = p.run(from, memory)
	if errors.Is(ended, errTooMany) {
		return false, ended
	}
	if p.at > haveBytes {
		if err := p.finish(); err != nil {
			u.OffsetBytes, u.Hash = now.OffsetBytes, now.Hash
			return false, cmp.Or(ended, err)
		}
	}
	u.OffsetBytes, u.Hash = begin+p.at, stateOf(sum)
	if p.at < f.SizeBytes {
		return false, ended
	}
	announced := f.SHA256
	f.SHA256, u.Hash = digestOf(sum), stateOf(sha256.New())
	if announced != "" && announced != f.SHA256 {
		in.failed = cmp.Or(in.failed, in.differs(f, announced))
	} else if err := in.noteInTime(ctx); err != nil {
		return false, err
	}
	return true, ended
}

// differs is that a file is another one than was announced.
func (in *intake) differs(f *fleet.UploadFile, announced string) error {
	what := "what came"
	if len(in.upload.Files) > 1 {
		what = "the file " + f.Name
	}
	return fault.New(fault.Invalid, "the sha256 of %s is %s, not %s", what, f.SHA256, announced).On(fault.Caller)
}

// noteInTime notes that a file is whole, where that was not done for a while: of many
// small ones not each is worth it. The last one is noted with its state.
func (in *intake) noteInTime(ctx context.Context) error {
	u := &in.upload
	due := u.OffsetBytes-in.notedBytes >= in.service.flushBytes || time.Since(in.notedAt) >= flushAfter
	if in.piece.Sum != nil || u.OffsetBytes == u.SizeBytes || !due {
		return nil
	}
	return in.note(ctx, u)
}

// note stores how far the upload is.
func (in *intake) note(ctx context.Context, u *fleet.Upload) error {
	in.notedBytes, in.notedAt = u.OffsetBytes, time.Now()
	return in.service.save(ctx, u)
}
