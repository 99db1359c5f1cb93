package uploadapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxAnnouncementBytes is how long the announcement of an upload may be: with as many
// files as a model may have, it is some hundred kilobytes.
const maxAnnouncementBytes = 1 << 20

// announcement is what an upload begins with that says its files in a body: a list of them
// is too long for a header.
type announcement struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Storage     string   `json:"storage"`
	Hosts       []string `json:"hosts"`
	Quantize    string   `json:"quantize"`
	From        string   `json:"from"`
	// Check says that nothing is begun: it is only asked whether it would be refused.
	Check bool `json:"check"`
	Files []struct {
		Filename string `json:"filename"`
		Size     *int64 `json:"size"` // in bytes
		SHA256   string `json:"sha256"`
	} `json:"files"`
}

// begin begins an upload as tus has it, or of files that are announced in a body.
func (a *API) begin(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if mediaType(r) != "application/json" || r.Header("Upload-Length") != "" {
		return tus(a.create)(ctx, r)
	}
	start, onlyCheck, err := announced(r)
	if err != nil {
		return nil, err
	}
	if onlyCheck {
		return &edge.Response{Status: http.StatusNoContent}, a.uploads.Check(ctx, start)
	}
	u, err := a.uploads.Create(ctx, start)
	resp := answerOf(err)
	switch {
	case err == nil:
		resp = created(&u)
	case resp == nil:
		return nil, err
	}
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Tus-Resumable", Value: version})
	return resp, nil
}

// announced reads what an upload begins with from the body of its request, and whether that
// is only to be checked.
func announced(r *edge.Request) (start uploads.Start, onlyCheck bool, err error) {
	var said announcement
	body, err := io.ReadAll(io.LimitReader(r.Stream, maxAnnouncementBytes+1))
	if err != nil {
		return start, false, err
	}
	if len(body) > maxAnnouncementBytes {
		return start, false, fault.New(fault.TooLarge, "the body has more than %d bytes", maxAnnouncementBytes).On(fault.Caller)
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return start, false, fault.Wrap(fault.Invalid, err, "the body has to be a JSON object with the field %q, a list of objects with %q and %q", "files", "filename", "size").On(fault.Caller)
	}
	start = uploads.Start{
		Import: fleet.Import{
			Name: said.Name, Description: said.Description, Storage: said.Storage, Hosts: said.Hosts, Quantize: said.Quantize, From: said.From,
		},
		OwnerID: r.Caller.ID,
	}
	if start.Key, err = keyOf(r); err != nil {
		return start, false, err
	}
	for _, f := range said.Files {
		if f.Size == nil {
			return start, false, fault.New(fault.Invalid, "the field %q is missing: how many bytes the file %q has", "size", f.Filename).On(fault.Caller)
		}
		start.Files = append(start.Files, fleet.UploadFile{Name: f.Filename, SizeBytes: *f.Size, SHA256: f.SHA256})
	}
	return start, said.Check, nil
}

// maxKeyBytes is how long an Idempotency-Key may be.
const maxKeyBytes = 255

// keyOf returns the Idempotency-Key of a request, empty for none: a string of structured
// fields, RFC 9651, or what most clients send, the same without its quotes.
func keyOf(r *edge.Request) (string, error) {
	said := r.Header("Idempotency-Key")
	if said == "" {
		return "", nil
	}
	key := said
	if inner, opened := strings.CutPrefix(said, `"`); opened {
		if inner, closed := strings.CutSuffix(inner, `"`); closed {
			key = inner
		}
	}
	if key == "" || len(key) > maxKeyBytes || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		return "", fault.New(fault.Invalid, `the header Idempotency-Key has to be a string such as "9f0c1a", of at most %d letters, digits and signs`, maxKeyBytes).On(fault.Caller)
	}
	return key, nil
}
