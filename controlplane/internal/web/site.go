// Package web serves the dashboard to browsers: its page, at every path that the
// page itself makes something of, and the files that the page is made of.
package web

import (
	"context"
	_ "embed" // of the page that stands in
	"errors"
	"io/fs"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// pageName is the file that is the page.
const pageName = "index.html"

// standIn is what browsers see of a program that was built without the dashboard.
//
//go:embed standin.html
var standIn []byte

// Site is the dashboard. It never changes, so its methods may be called
// concurrently.
type Site struct {
	page   *file
	assets map[string]*file // by their path below assets/
}

// New returns the dashboard that was built into files, or a page that explains
// where there is none. Files that can't be read are an error.
func New(files fs.FS) (*Site, error) {
	assets, err := readAssets(files)
	if err != nil {
		return nil, err
	}
	page, err := readFile(files, pageName)
	if errors.Is(err, fs.ErrNotExist) {
		page, err = newFile(pageName, standIn), nil
	}
	if err != nil {
		return nil, err
	}
	return &Site{page: page, assets: assets}, nil
}

// clientPaths are the places that the page shows; which, it reads from the address.
var clientPaths = [...]string{"/login", "/fleet", "/hosts/{id}", "/models", "/models/{id}", "/operations", "/storage", "/chat", "/help"}

// Routes returns every route.
func (s *Site) Routes() []edge.Route {
	routes := []edge.Route{
		{Method: "GET", Path: "/", Permission: edge.Public, Handler: s.home},
		{Method: "GET", Path: "/assets/{file...}", Permission: edge.Public, Handler: s.asset},
	}
	for _, path := range clientPaths {
		routes = append(routes, edge.Route{Method: "GET", Path: path, Permission: edge.Public, Handler: s.client})
	}
	return routes
}

// home is the dashboard to browsers, and to everybody else what Ollama says of
// itself: its command line asks before each command.
func (s *Site) home(_ context.Context, r *edge.Request) (*edge.Response, error) {
	if wantsPage(r.Header("Accept")) {
		return s.showPage(r), nil
	}
	resp := edge.Text(200, "Ollama is running")
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Vary", Value: "Accept"})
	return resp, nil
}

// client answers at a path that is a place in the dashboard and nothing to
// anybody but browsers.
func (s *Site) client(_ context.Context, r *edge.Request) (*edge.Response, error) {
	if !wantsPage(r.Header("Accept")) {
		return nil, fault.New(fault.NotFound, "there is nothing at %s but a page for browsers", r.Path).On(fault.Caller)
	}
	return s.showPage(r), nil
}

// showPage answers with the page. It is asked for anew each time, so that a
// browser never looks for the files of a version that is gone.
func (s *Site) showPage(r *edge.Request) *edge.Response {
	resp := s.page.answer(r, "no-cache", security)
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Vary", Value: "Accept"})
	return resp
}

// asset answers with a file whose name changes with what is in it.
func (s *Site) asset(_ context.Context, r *edge.Request) (*edge.Response, error) {
	f := s.assets[r.Param("file")]
	if f == nil {
		return nil, fault.New(fault.NotFound, "there is nothing at %s", r.Path).On(fault.Caller)
	}
	return f.answer(r, "public, max-age=31536000, immutable", assetSecurity), nil
}
