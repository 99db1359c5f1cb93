package peers

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/peer"
)

// digestForm is a sha256 in hexadecimal; nothing else becomes a part of a path.
var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *Server) handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+peer.Path+"{sha256}", s.serve) // and HEAD
	return routes
}

// serve sends a blob, or a range of it, as far as it is there, and then as it comes.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	digest, under := r.PathValue("sha256"), s.current()
	if err := s.admit(r, digest, under.ticketKey); err != nil {
		s.Log.Debug("another host is not served", "address", r.RemoteAddr, "error", err)
		http.Error(w, fault.MessageOf(err), http.StatusForbidden)
		return
	}
	if strings.Contains(r.Header.Get("Range"), ",") {
		http.Error(w, "one range at a time", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		busy(w, "too many requests are under way")
		return
	}
	to := http.NewResponseController(w)
	ctx, cancel := context.WithCancelCause(r.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		select {
		case <-under.over:
			cancel(errVoid)
			_ = to.SetWriteDeadline(time.Now()) // who reads nothing is waited for no longer
		case <-ctx.Done():
		}
	})
	b, err := s.find(ctx, digest)
	switch {
	case ctx.Err() != nil:
		http.Error(w, errVoid.Error(), http.StatusForbidden) // or nobody is there to read it
		return
	case errors.Is(err, errStill):
		busy(w, "nothing of the blob is here yet")
		return
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
		return
	case err != nil:
		s.Log.Warn("a blob that another host asks for can't be read", "sha256", digest, "error", err)
		http.Error(w, "the blob can't be read", http.StatusInternalServerError)
		return
	}
	defer b.file.Close()
	began, before := s.Now(), b.whole
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+digest+`"`)
	content := &reader{ctx: ctx, server: s, blob: b, to: to}
	http.ServeContent(w, r, "", time.Time{}, content)
	if errors.Is(context.Cause(ctx), errVoid) {
		content.err = errVoid
	}
	if content.err != nil && r.Context().Err() == nil {
		s.Log.Info("a blob broke off that another host reads", "address", r.RemoteAddr, "sha256", digest, "at", content.at, "error", content.err)
	}
	s.Log.Debug("another host has read", "address", r.RemoteAddr, "sha256", digest, "bytes", content.sent, "took", s.Now().Sub(began), "whole", before)
	if content.err != nil {
		panic(http.ErrAbortHandler) // half of it must not look like all
	}
}

// errVoid is that a ticket is good no longer, whose bytes are being sent.
var errVoid = errors.New("the ticket is good no longer")

// admit says why who asks doesn't get a blob.
func (s *Server) admit(r *http.Request, digest string, ticketKey ed25519.PublicKey) error {
	if !digestForm.MatchString(digest) {
		return fault.New(fault.Forbidden, "blobs are known by the sha256 in hexadecimal").On(fault.Caller)
	}
	ticket, err := peer.Open(r.URL.Query().Get(peer.TicketParameter), ticketKey)
	if err != nil {
		return err
	}
	now := s.Now()
	if err := ticket.Check(s.HostID(), digest, now); err != nil {
		return err
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return fault.New(fault.Forbidden, "there is no certificate").On(fault.Caller)
	}
	if err := checkPass(r.TLS.PeerCertificates[0], ticket.Reader, now); err != nil {
		return fault.Wrap(fault.Forbidden, err, "the ticket is another host's").On(fault.Caller)
	}
	return nil
}

func busy(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}

// find opens a blob, which a fetch that has just begun may be about to bring: errStill
// when it doesn't.
func (s *Server) find(ctx context.Context, digest string) (*blob, error) {
	dir := s.ModelsDir()
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	late := time.NewTimer(s.timing.appear)
	defer late.Stop()
	for {
		b, err := openBlob(dir, digest)
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
		if !s.Fetching() {
			return nil, errStill
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return nil, errStill
		case <-tick.C:
		}
	}
}

// reader reads a blob for one answer, and waits for what is not there yet.
type reader struct {
	ctx    context.Context //nolint:containedctx // it bounds a reader, as a request's does its body
	server *Server
	blob   *blob
	to     *http.ResponseController
	at     int64
	until  int64 // up to where it is known to be there
	sent   int64
	err    error // why it broke off
}

// Seek implements [io.Seeker].
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		r.at = offset
	case io.SeekCurrent:
		r.at += offset
	case io.SeekEnd:
		r.at = r.blob.size + offset
	}
	r.until = r.at
	return r.at, nil
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.blob.size {
		return 0, io.EOF
	}
	n, err := r.read(p)
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	if err := r.ready(); err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), r.until-r.at, pieceBytes)]
	if err := r.server.limit.WaitN(r.ctx, len(p)); err != nil {
		return 0, fmt.Errorf("wait for the limit: %w", err)
	}
	n, err := r.blob.file.ReadAt(p, r.at)
	if n > 0 {
		err = nil
	} else if err == io.EOF { // it is shorter than it was
		err = io.ErrUnexpectedEOF
	}
	r.at += int64(n)
	r.sent += int64(n)
	r.server.sent.Add(int64(n))
	return n, errors.Join(err, r.to.SetWriteDeadline(time.Now().Add(r.server.timing.write)))
}

// ready waits until there is something to be read. What was read before is on its way
// then.
func (r *reader) ready() (err error) {
	if r.until > r.at {
		return nil
	}
	if r.until, err = r.blob.written(r.at); err != nil || r.until > r.at {
		return err
	}
	if err := r.to.Flush(); err != nil {
		return err
	}
	r.until, err = r.blob.await(r.ctx, r.at, r.server.timing.still, r.server.Fetching)
	return err
}
