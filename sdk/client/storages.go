package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Storage is a configured place where files are kept.
type Storage struct {
	Name          string          `json:"name"`
	Plugin        string          `json:"plugin"`
	Config        json.RawMessage `json:"config"`         // an object; secrets are "***"
	ConfigVersion int             `json:"config_version"` // of the plugin's configuration, that Config is of; 0 is unknown
	Status        string          `json:"status"`         // "ready", or why it isn't: disabled, starting, degraded or failed
	Message       string          `json:"message"`
	Since         *time.Time      `json:"since"`
	CheckedAt     *time.Time      `json:"checked_at"`
	Origin        string          `json:"origin"`       // default, file or saved
	SetIn         string          `json:"set_in"`       // where in the settings file, if it is of that
	Address       string          `json:"address"`      // what the URLs of its files begin with
	HostsRead     bool            `json:"hosts_read"`   // hosts may run the plugin themselves, with all of the configuration
	Capabilities  []string        `json:"capabilities"` // what it does beyond what every storage does
	ReadOnly      bool            `json:"read_only"`    // it has what others publish: nothing is stored there
}

// StorageSpec is a storage as it is asked for.
type StorageSpec struct {
	Name   string          `json:"name,omitempty"`
	Plugin string          `json:"plugin,omitempty"` // of a change: empty keeps it
	Config json.RawMessage `json:"config"`           // secrets among the rest; "***" keeps one
	// ConfigVersion is the version that Config is of, as it was shown; 0 is the one that
	// the plugin has now. One that would not be shown any more is fault.Conflict.
	ConfigVersion int `json:"config_version,omitempty"`
	// HostsRead lets hosts run the plugin themselves, with all of the configuration; nil
	// leaves that as it is.
	HostsRead *bool `json:"hosts_read,omitempty"`
}

// File is a file in a storage, or a folder of them.
type File struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`     // bytes
	Modified string `json:"modified"` // RFC 3339; empty where it is unknown, and of folders
	Storage  string `json:"storage"`  // its name
	URL      string `json:"url"`
	Folder   bool   `json:"folder,omitempty"`
	Version  string `json:"version,omitempty"` // another one for other bytes
	SHA256   string `json:"sha256,omitempty"`  // where it is known
}

// FileQuery says which files are wanted.
type FileQuery struct {
	Prefix string
	Flat   bool   // no folders: every file below the prefix
	Cursor string // of the page before
	Limit  int    // up to 1000; 0 leaves it to the control plane
}

// FilePage is a part of what a storage has.
type FilePage struct {
	Files   []File `json:"files"`
	Cursor  string `json:"cursor"` // where the next page begins; empty after the last one
	Storage string `json:"storage"`
}

// Storages returns all storages, by name. It needs the role viewer.
func (c *Client) Storages(ctx context.Context) ([]Storage, error) {
	var all []Storage
	err := c.ask(ctx, get("api", "storage"), &all)
	return all, err
}

// Storage returns one storage. It needs the role viewer.
func (c *Client) Storage(ctx context.Context, name string) (Storage, error) {
	var s Storage
	err := c.ask(ctx, get("api", "storage", name), &s)
	return s, err
}

// CreateStorage makes a storage. Unless offline is true, its service is asked whether
// it would serve. What is wrong with it is fault.Invalid; a name that is taken,
// fault.Conflict. It needs the role operator.
func (c *Client) CreateStorage(ctx context.Context, spec StorageSpec, offline bool) (Storage, error) {
	return c.saveStorage(ctx, post("api", "storage"), spec, offline)
}

// ChangeStorage changes the plugin and the configuration of a storage; see
// [Client.CreateStorage]. One that the settings file pins is fault.Conflict.
func (c *Client) ChangeStorage(ctx context.Context, name string, spec StorageSpec, offline bool) (Storage, error) {
	return c.saveStorage(ctx, call{method: http.MethodPut, path: []string{"api", "storage", name}}, spec, offline)
}

func (c *Client) saveStorage(ctx context.Context, what call, spec StorageSpec, offline bool) (Storage, error) {
	what.body = spec
	if offline {
		what.query = url.Values{"check": {"offline"}}
	}
	var s Storage
	err := c.ask(ctx, what, &s)
	return s, err
}

// RemoveStorage forgets a storage, and returns what it was. Its files stay where they
// are. It needs the role operator.
func (c *Client) RemoveStorage(ctx context.Context, name string) (Storage, error) {
	var s Storage
	err := c.ask(ctx, call{method: http.MethodDelete, path: []string{"api", "storage", name}}, &s)
	return s, err
}

// CheckStorage asks a storage's service whether it would serve; that it would not is
// an error. It needs the role operator.
func (c *Client) CheckStorage(ctx context.Context, name string) (Storage, error) {
	var s Storage
	err := c.ask(ctx, post("api", "storage", name, "check"), &s)
	return s, err
}

// Files returns a page of a storage's files. It needs the role viewer.
func (c *Client) Files(ctx context.Context, storage string, q FileQuery) (FilePage, error) {
	what := get("api", "storage", storage, "files")
	what.query = url.Values{"prefix": {q.Prefix}, "cursor": {q.Cursor}, "flat": {strconv.FormatBool(q.Flat)}}
	if q.Limit > 0 {
		what.query.Set("limit", strconv.Itoa(q.Limit))
	}
	var page FilePage
	err := c.ask(ctx, what, &page)
	return page, err
}

// Download reads a file. The caller closes it; it never ends early without an error.
// It needs the role viewer.
func (c *Client) Download(ctx context.Context, storage, path string) (io.ReadCloser, error) {
	what := fileCall(http.MethodGet, storage, path)
	what.accept = "*/*"
	res, err := c.send(ctx, what) //nolint:bodyclose // the caller closes it
	if err != nil {
		return nil, err
	}
	return &body{ReadCloser: res.Body, ctxErr: ctx.Err, client: c}, nil
}

// Upload stores a file, in the place of one that may be there, and returns it with its
// sha256. sizeBytes is how much can be read, -1 for unknown. When it has returned
// without an error the file is there, as a whole. It needs the role operator.
func (c *Client) Upload(ctx context.Context, storage, path string, content io.Reader, sizeBytes int64) (File, error) {
	what := fileCall(http.MethodPut, storage, path)
	what.content, what.contentBytes = content, sizeBytes
	var f File
	err := c.ask(ctx, what, &f)
	return f, err
}

// DeleteFile deletes a file. That there is none is no error. It needs the role
// operator.
func (c *Client) DeleteFile(ctx context.Context, storage, path string) error {
	res, err := c.send(ctx, fileCall(http.MethodDelete, storage, path))
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "").On(fault.Service)
	}
	return nil
}

func fileCall(method, storage, path string) call {
	return call{method: method, path: []string{"api", "storage", storage, "file"}, query: url.Values{"path": {path}}}
}
