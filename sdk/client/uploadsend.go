package client

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	gopath "path"
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

// sender uploads one file by tus. It belongs to one goroutine.
type sender struct {
	client  *Client
	model   *ModelUpload
	file    *UploadFile
	options UploadOptions
	state   UploadState
	resumed bool      // the upload is of a run before, and may be gone
	known   bool      // offset is where the control plane is
	offset  int64     // how many bytes it has
	modelID string    // as the control plane says; empty where it does not
	begun   bool      // the control plane had it
	failing time.Time // since when nothing came through; zero while something does
	refusal error     // why the control plane took no more of the upload
}

func (s *sender) run(ctx context.Context) (*Model, error) {
	if s.state.SHA256 == "" {
		sum, err := digest(ctx, s.file, s.options.Progress)
		if err != nil {
			return nil, err
		}
		s.keep(UploadState{SHA256: sum, ID: s.state.ID})
	}
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
			return nil, s.giveUp(err)
		}
		failures++
		s.options.Progress(UploadProgress{Phase: UploadWaiting, DoneBytes: s.offset, TotalBytes: s.file.SizeBytes, Err: err})
		if err := s.pause(ctx, failures); err != nil {
			return nil, err
		}
	}
}

func (s *sender) keep(state UploadState) {
	s.state = state
	s.options.Keep(state)
}

// proceed does the next step: it begins the upload, asks how far it is, or sends what is
// missing. It is done when the control plane has said that nothing is.
func (s *sender) proceed(ctx context.Context) (done bool, err error) {
	if s.state.ID == "" {
		return s.create(ctx)
	}
	if !s.known {
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
func (s *sender) giveUp(err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		s.keep(UploadState{})
		switch {
		case s.refusal != nil: // which says why it is gone
			return s.refusal
		case s.begun:
			return fault.Wrap(fault.NotFound, err, "the control plane has the upload no more: it was cancelled, or nothing came to it for too long").On(fault.Service)
		}
	case fault.Invalid:
		s.keep(UploadState{})
	}
	return err
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

// create begins the upload.
func (s *sender) create(ctx context.Context) (done bool, err error) {
	header := http.Header{
		"Upload-Length":   {strconv.FormatInt(s.file.SizeBytes, 10)},
		"Upload-Metadata": {s.metadata()},
	}
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	res, err := s.ask(ctx, post("api", "uploads"), header)
	if err != nil {
		return false, err
	}
	// Only the last part is of use: what is before it is where the control plane believes to
	// be, and a key may be in it.
	id := gopath.Base(res.Get("Location"))
	if id == "." || id == "/" {
		return false, s.strange("begins an upload and doesn't say where")
	}
	s.keep(UploadState{SHA256: s.state.SHA256, ID: id})
	s.begun, s.known, s.offset = true, true, 0
	if res.Get("Upload-Offset") != "" { // it has the bytes already
		err = s.at(res)
	}
	return err == nil && s.offset == s.file.SizeBytes && res.Get("Upload-Offset") != "", err
}

func (s *sender) metadata() string {
	var pairs []string
	for _, pair := range [][2]string{
		{"name", s.model.Name},
		{"filename", s.file.Name},
		{"description", s.model.Description},
		{"storage", s.model.Storage},
		{"hosts", strings.Join(s.model.Hosts, ",")},
		{"quantize", s.model.Quantize},
		{"from", s.model.From},
		{"sha256", s.state.SHA256},
	} {
		if pair[1] != "" {
			pairs = append(pairs, pair[0]+" "+base64.StdEncoding.EncodeToString([]byte(pair[1])))
		}
	}
	return strings.Join(pairs, ",")
}

// look asks how far the upload is. One of a run before that is gone begins anew.
func (s *sender) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	res, err := s.ask(ctx, call{method: http.MethodHead, path: s.path()}, nil)
	gone := err != nil && fault.KindOf(err) == fault.NotFound ||
		err == nil && res.Get("Upload-Length") != "" && res.Get("Upload-Length") != strconv.FormatInt(s.file.SizeBytes, 10)
	switch {
	case gone && s.resumed:
		s.resumed = false
		s.keep(UploadState{SHA256: s.state.SHA256})
		return nil
	case gone && err == nil:
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
	m := newMeter(s.file, s.offset, func(doneBytes int64) {
		s.options.Progress(UploadProgress{Phase: UploadSending, DoneBytes: doneBytes, TotalBytes: s.file.SizeBytes})
	})
	defer m.stop()
	m.watch(s.standstill(), func() {
		cancel(fault.New(fault.Unavailable, "nothing came through to the control plane at %s for %s", s.client.base.Host, s.standstill()).On(fault.Service))
	})
	what := call{method: http.MethodPatch, path: s.path(), content: m, contentBytes: s.file.SizeBytes - s.offset, contentType: tusPieceType}
	before := s.offset
	res, err := s.ask(ctx, what, http.Header{"Upload-Offset": {strconv.FormatInt(s.offset, 10)}})
	if failed := m.failure(); failed != nil {
		return false, failed
	}
	if err != nil {
		if stalled, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
			return false, stalled
		}
		if fault.KindOf(err) == fault.Conflict {
			s.refusal = err
		}
		return false, err
	}
	if err := s.at(res); err != nil {
		return false, err
	}
	if s.offset < s.file.SizeBytes && s.offset <= before {
		return false, s.strange("takes bytes of an upload and has no more than before")
	}
	return s.offset == s.file.SizeBytes, nil
}

// standstill is how long an attempt may stand still.
func (s *sender) standstill() time.Duration { return s.options.Patience / 5 }

func (s *sender) path() []string { return []string{"api", "uploads", s.state.ID} }

// at reads from an answer how far the upload is.
func (s *sender) at(res http.Header) error {
	offset, err := strconv.ParseInt(res.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > s.file.SizeBytes {
		return s.strange("doesn't say how far an upload is")
	}
	s.offset = offset
	return nil
}

func (s *sender) strange(what string) error {
	return fault.New(fault.Unavailable, "what answers at %s %s", s.client.base.Host, what).On(fault.Service)
}

// ask sends a call of tus and returns the header of its answer.
func (s *sender) ask(ctx context.Context, what call, header http.Header) (http.Header, error) {
	what.header = http.Header{"Tus-Resumable": {tusVersion}}
	maps.Copy(what.header, header)
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
		return &Model{Status: "uploading", SizeBytes: s.file.SizeBytes}, nil
	}
	m, err := s.client.Model(ctx, ref)
	if fault.KindOf(err) == fault.NotFound {
		return &Model{ID: s.modelID, Name: s.model.Name, Status: "uploading", SizeBytes: s.file.SizeBytes}, nil
	}
	return m, err
}
