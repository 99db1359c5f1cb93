package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// The words of tus 1.0, https://tus.io/protocols/resumable-upload.
const (
	tusVersion   = "1.0.0"
	tusPieceType = "application/offset+octet-stream"
)

// The pauses before something is tried again, of which the first doubles.
const (
	minUploadPause = 250 * time.Millisecond
	maxUploadPause = 10 * time.Second
)

// sender uploads files by tus, as one upload. It belongs to one goroutine.
type sender struct {
	client   *Client
	model    *ModelUpload
	row      *fileRow
	options  UploadOptions
	state    UploadState
	resumed  bool      // the upload is of a run before, and may be gone
	known    bool      // offset is where the control plane is
	offset   int64     // how many bytes it has, of all files
	modelID  string    // as the control plane says; empty where it does not
	begun    bool      // the control plane had it
	admitted bool      // it would take it
	failing  time.Time // since when nothing came through; zero while something does
}

func (s *sender) run(ctx context.Context) (*Model, error) {
	for failures := 0; ; {
		before := s.offset
		done, err := s.proceed(ctx)
		if s.offset > before {
			s.failing, failures = time.Time{}, 0
		}
		switch {
		case done:
			s.keep(UploadState{})
			return s.result(ctx)
		case err == nil:
			continue
		case s.failing.IsZero():
			s.failing = time.Now()
		}
		s.known = false
		if !s.worthTrying(err) {
			return nil, s.giveUp(ctx, err)
		}
		failures++
		s.tell(UploadWaiting, s.offset, err)
		if err := s.pause(ctx, failures); err != nil {
			return nil, err
		}
	}
}

func (s *sender) keep(state UploadState) {
	s.state = state
	s.options.Keep(state)
}

func (s *sender) tell(phase UploadPhase, doneBytes int64, err error) {
	s.options.Progress(UploadProgress{Phase: phase, DoneBytes: doneBytes, TotalBytes: s.row.sizeBytes, Err: err})
}

// proceed does the next step: it asks whether they would be taken, reads the files for their digests, begins the upload, asks
// how far it is, or sends what is missing. It is done when the control plane has said that
// nothing is.
func (s *sender) proceed(ctx context.Context) (done bool, err error) {
	switch {
	case s.state.ID == "" && len(s.state.SHA256) < len(s.row.files) && !s.admitted:
		return false, s.check(ctx)
	case s.state.ID == "" && len(s.state.SHA256) < len(s.row.files):
		return false, s.hash(ctx)
	case s.state.ID == "":
		return s.create(ctx)
	case !s.known:
		return false, s.look(ctx)
	}
	return s.send(ctx)
}

// worthTrying reports whether an error may pass.
func (s *sender) worthTrying(err error) bool {
	if time.Since(s.failing) > s.options.Patience {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.RateLimited, fault.Internal:
		return true
	case fault.Conflict:
		return s.state.ID != "" // somebody else, or an older connection, was at it
	}
	return false
}

// giveUp returns the error that an upload ends with. One of which nothing will become is
// forgotten.
func (s *sender) giveUp(ctx context.Context, err error) error {
	switch kind := fault.KindOf(err); {
	case kind == fault.NotFound:
		if s.begun {
			err = s.whyGone(ctx)
		}
		s.keep(UploadState{})
	case kind == fault.Conflict && s.state.ID == "": // what was begun under this key is over
		s.keep(UploadState{SHA256: s.state.SHA256})
	case kind == fault.Invalid && fault.SideOf(err) == fault.Service: // and not a file that can't be read just now
		s.keep(UploadState{})
	}
	return err
}

// whyGone asks why an upload is gone: what says that, the answer to HEAD, has no words.
func (s *sender) whyGone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	if _, err := s.ask(ctx, s.piece(strings.NewReader(""), 0)); fault.KindOf(err) == fault.Conflict {
		return err
	}
	return fault.New(fault.NotFound, "the control plane has the upload no more: it was cancelled, or nothing came to it for too long").On(fault.Service)
}

func (s *sender) pause(ctx context.Context, failures int) error {
	d := min(maxUploadPause, minUploadPause<<min(failures-1, 10))
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return s.client.failed(ctx.Err(), nil)
	case <-timer.C:
		return nil
	}
}

// look asks how far the upload is. One of a run before that is gone begins anew; and where
// it is of another size, the files are others than they were then, and are read anew.
func (s *sender) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	res, err := s.ask(ctx, call{method: http.MethodHead, path: s.path()})
	gone := err != nil && fault.KindOf(err) == fault.NotFound
	length := res.Get("Upload-Length")
	other := err == nil && length != "" && length != strconv.FormatInt(s.row.sizeBytes, 10)
	switch {
	case gone && s.resumed:
		s.resumed = false
		s.keep(UploadState{SHA256: s.state.SHA256})
		return nil
	case other && s.resumed:
		s.resumed = false
		s.keep(UploadState{})
		return nil
	case other:
		return s.strange("has an upload of another size in this one's place")
	case err != nil:
		return err
	}
	if err := s.at(res); err != nil {
		return err
	}
	s.resumed, s.begun, s.known = false, true, true
	return nil
}

// send sends what is missing. Where nothing is, the control plane says that it has all.
func (s *sender) send(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := newMeter(s.row, s.offset, func(doneBytes int64) { s.tell(UploadSending, doneBytes, nil) })
	defer m.stop()
	m.watch(s.standstill(), func() {
		cancel(fault.New(fault.Unavailable, "nothing came through to the control plane at %s for %s", s.client.base.Host, s.standstill()).On(fault.Service))
	})
	before := s.offset
	res, err := s.ask(ctx, s.piece(m, s.row.sizeBytes-s.offset))
	if failed := m.failure(); failed != nil {
		return false, failed
	}
	if err != nil {
		if stalled, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
			return false, stalled
		}
		return false, err
	}
	if err := s.at(res); err != nil {
		return false, err
	}
	if s.offset < s.row.sizeBytes && s.offset <= before {
		return false, s.strange("takes bytes of an upload and has no more than before")
	}
	return s.offset == s.row.sizeBytes, nil
}

// standstill is how long an attempt may stand still.
func (s *sender) standstill() time.Duration { return s.options.Patience / 5 }

func (s *sender) path() []string { return []string{"api", "uploads", s.state.ID} }

// piece is the call that adds to the upload what comes next.
func (s *sender) piece(content io.Reader, contentBytes int64) call {
	return call{
		method: http.MethodPatch, path: s.path(), content: content, contentBytes: contentBytes, contentType: tusPieceType,
		header: http.Header{"Upload-Offset": {strconv.FormatInt(s.offset, 10)}},
	}
}

// at reads from an answer how far the upload is.
func (s *sender) at(res http.Header) error {
	offset, err := strconv.ParseInt(res.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > s.row.sizeBytes {
		return s.strange("doesn't say how far an upload is")
	}
	s.offset = offset
	return nil
}

func (s *sender) strange(what string) error {
	return fault.New(fault.Unavailable, "what answers at %s %s", s.client.base.Host, what).On(fault.Service)
}

// ask sends a call of tus and returns the header of its answer.
func (s *sender) ask(ctx context.Context, what call) (http.Header, error) {
	header := http.Header{"Tus-Resumable": {tusVersion}}
	maps.Copy(header, what.header)
	what.header = header
	res, err := s.client.send(ctx, what)
	if err != nil {
		return nil, err
	}
	s.modelID = cmp.Or(res.Header.Get("Corral-Model"), s.modelID)
	if err := res.Body.Close(); err != nil {
		return nil, s.client.failed(ctx.Err(), err)
	}
	return res.Header, nil
}

// result returns the model that was uploaded. It may not be in the catalogue yet.
func (s *sender) result(ctx context.Context) (*Model, error) {
	ref := cmp.Or(s.modelID, s.model.Name)
	if ref == "" {
		return &Model{Status: "uploading", SizeBytes: s.row.sizeBytes}, nil
	}
	m, err := s.client.Model(ctx, ref)
	if fault.KindOf(err) == fault.NotFound {
		return &Model{ID: s.modelID, Name: s.model.Name, Status: "uploading", SizeBytes: s.row.sizeBytes}, nil
	}
	return m, err
}
