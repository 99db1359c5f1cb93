package api

import (
	"context"
	"crypto/sha256"
	_ "embed" // of the page
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// The page is one file when it is sent, and three here.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// assemblePage puts the page together, with the rules that let a browser run
// nothing but what is in it and fetch from nowhere but here.
func assemblePage() (page []byte, rules string) {
	whole := strings.NewReplacer("/*page.css*/", pageCSS, "/*page.js*/", pageJS).Replace(pageHTML)
	rules = strings.Join([]string{
		"default-src 'none'", "script-src " + digestOf(pageJS), "style-src " + digestOf(pageCSS), "connect-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
	return []byte(whole), rules
}

func digestOf(inline string) string {
	sum := sha256.Sum256([]byte(inline))
	return fmt.Sprintf("'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
}

// home shows browsers a page, and tells everybody else what Ollama tells them:
// its command line asks before each command.
func (a *API) home(_ context.Context, r *edge.Request) (*edge.Response, error) {
	if !strings.Contains(r.Header("Accept"), "text/html") {
		resp := edge.Text(200, "Ollama is running")
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Vary", Value: "Accept"})
		return resp, nil
	}
	return &edge.Response{Status: 200, Body: a.page, Header: []edge.HeaderField{
		{Name: "Content-Type", Value: "text/html; charset=utf-8"},
		{Name: "Content-Security-Policy", Value: a.pageRules},
		{Name: "Vary", Value: "Accept"},
	}}, nil
}
