package client

import (
	"context"
	"crypto/rand"
	"net/http"
	gopath "path"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// uploadStart is what an upload begins with.
type uploadStart struct {
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Storage     string      `json:"storage,omitempty"`
	Hosts       []string    `json:"hosts,omitempty"`
	Quantize    string      `json:"quantize,omitempty"`
	From        string      `json:"from,omitempty"`
	Files       []startFile `json:"files"`
	Check       bool        `json:"check,omitempty"` // whether it would be refused; nothing is begun
}

type startFile struct {
	Filename  string `json:"filename"`
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256,omitempty"`
}

// check asks whether the upload would be refused: that should be known before its files are
// read for their digests, which takes minutes where they are large.
func (s *sender) check(ctx context.Context) error {
	what := post("api", "uploads")
	start := s.start()
	start.Check = true
	what.body = start
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	if _, err := s.ask(ctx, what); err != nil {
		return s.older(err)
	}
	s.admitted = true
	return nil
}

// start is what the upload begins with, with the digests that are known.
func (s *sender) start() uploadStart {
	start := uploadStart{
		Name: s.model.Name, Description: s.model.Description, Storage: s.model.Storage,
		Hosts: s.model.Hosts, Quantize: s.model.Quantize, From: s.model.From,
	}
	for i, f := range s.row.files {
		file := startFile{Filename: f.Name, SizeBytes: f.SizeBytes}
		if i < len(s.state.SHA256) {
			file.SHA256 = s.state.SHA256[i]
		}
		start.Files = append(start.Files, file)
	}
	return start
}

// create begins the upload. One whose beginning was not answered before is the same.
func (s *sender) create(ctx context.Context) (done bool, err error) {
	if s.state.Key == "" {
		s.keep(UploadState{SHA256: s.state.SHA256, Key: rand.Text()})
	}
	what := post("api", "uploads")
	what.body = s.start()
	what.header = http.Header{"Idempotency-Key": {strconv.Quote(s.state.Key)}}
	ctx, cancel := context.WithTimeout(ctx, s.standstill())
	defer cancel()
	res, err := s.ask(ctx, what)
	if err != nil {
		return false, s.older(err)
	}
	// Only the last part is of use: what is before it is where the control plane believes to
	// be, and a key may be in it.
	id := gopath.Base(res.Get("Location"))
	if id == "." || id == "/" {
		return false, s.strange("begins an upload and doesn't say where")
	}
	s.keep(UploadState{SHA256: s.state.SHA256, ID: id})
	s.begun = true
	if err := s.at(res); err != nil {
		return false, err
	}
	s.known = true
	// One that has it all is done. Where all is nothing, that is not said by its size.
	return s.offset == s.row.sizeBytes && s.offset > 0, nil
}

// older says what is so where a control plane misses a header that an upload of tus alone
// begins with: it knows no other one.
func (s *sender) older(err error) error {
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), "the header Upload-Length") {
		return err
	}
	return fault.Wrap(fault.NotImplemented, err, "the control plane at %s is older than this program, and can't take a model in that it sends; it has to be upgraded first", s.client.base.Host).On(fault.Service)
}
