package web

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// assetsFolder has the files of the dashboard but the page.
const assetsFolder = "assets"

// encodings are those in which files are there beside themselves, best first,
// each with the ending of its files.
var encodings = [...]struct{ name, ending string }{{"br", ".br"}, {"gzip", ".gz"}}

// file is one file in every form in which it may be sent.
type file struct {
	contentType string
	forms       []form // best first; the last one is the file as it is
}

// form is a file in one encoding.
type form struct {
	encoding string // as in Accept-Encoding
	etag     string
	body     []byte
}

// readAssets reads the files below the folder of assets. There being none is no error.
func readAssets(files fs.FS) (map[string]*file, error) {
	assets := map[string]*file{}
	err := fs.WalkDir(files, assetsFolder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case name == assetsFolder && errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("read the dashboard: %w", err)
		case entry.IsDir() || isForm(name):
			return nil
		}
		assets[strings.TrimPrefix(name, assetsFolder+"/")], err = readFile(files, name)
		return err
	})
	return assets, err
}

// isForm reports whether a file is another one, encoded.
func isForm(name string) bool {
	for _, e := range encodings {
		if path.Ext(name) == e.ending {
			return true
		}
	}
	return false
}

// readFile reads a file and its encoded forms.
func readFile(files fs.FS, name string) (*file, error) {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("read the dashboard: %w", err)
	}
	f := newFile(name, body)
	plain := f.forms[0]
	f.forms = nil
	for _, e := range encodings {
		encoded, err := fs.ReadFile(files, name+e.ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the dashboard: %w", err)
		}
		etag := strings.TrimSuffix(plain.etag, `"`) + "-" + e.name + `"`
		f.forms = append(f.forms, form{encoding: e.name, etag: etag, body: encoded})
	}
	f.forms = append(f.forms, plain)
	return f, nil
}

// newFile returns a file that is there as it is alone.
func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return &file{contentType: typeOf(name), forms: []form{{encoding: identity, etag: etag, body: body}}}
}

// typeOf returns the content type of a file by its name. What the system has to
// say on this differs from host to host, so it isn't asked.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}
