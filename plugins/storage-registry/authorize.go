package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// authorizer says to a registry who asks, in the way that the registry wants it: by a
// token that it names who gives, or by name and password. No other server hears of it.
type authorizer struct {
	registry *url.URL
	username string
	password config.Secret
	by       http.RoundTripper

	mu      sync.Mutex
	granted map[string]string // what the registry took last, by repository
}

// maxTokenBytes is how large the answer with a token may be.
const maxTokenBytes = 1 << 20

// RoundTrip implements [http.RoundTripper].
func (a *authorizer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !served.SameOrigin(r.URL, a.registry) {
		return a.by.RoundTrip(r)
	}
	repo := repositoryOf(r.URL.Path)
	a.mu.Lock()
	authorization := a.granted[repo]
	a.mu.Unlock()
	answer, err := a.by.RoundTrip(authorized(r, authorization))
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	again, err := a.answerTo(r, answer.Header.Values("WWW-Authenticate"))
	if err != nil {
		return nil, errors.Join(err, answer.Body.Close())
	}
	if again == "" || again == authorization {
		return answer, nil
	}
	if err := answer.Body.Close(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.granted[repo] = again
	a.mu.Unlock()
	return a.by.RoundTrip(authorized(r, again))
}

func authorized(r *http.Request, authorization string) *http.Request {
	if authorization == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", authorization)
	return r
}

// repositoryOf returns which repository an address of the API is of.
func repositoryOf(path string) string {
	for _, part := range []string{"/manifests/", "/blobs/"} {
		if at := strings.LastIndex(path, part); at >= 0 {
			return path[:at]
		}
	}
	return ""
}

// answerTo returns what answers the registry's challenges, "" where nothing does.
func (a *authorizer) answerTo(r *http.Request, challenges []string) (string, error) {
	for _, challenge := range challenges {
		scheme, rest, _ := strings.Cut(challenge, " ")
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			return a.token(r, parameters(rest))
		case strings.EqualFold(scheme, "Basic") && a.username != "":
			basic := &http.Request{Header: http.Header{}}
			basic.SetBasicAuth(a.username, a.password.Reveal())
			return basic.Header.Get("Authorization"), nil
		}
	}
	return "", nil
}

// parameters reads those of a challenge, such as realm="https://…",service="…".
func parameters(text string) map[string]string {
	all := map[string]string{}
	for text != "" {
		name, rest, _ := strings.Cut(text, "=")
		value, after, _ := strings.Cut(rest, ",")
		if inQuotes, quoted := strings.CutPrefix(rest, `"`); quoted {
			value, after, _ = strings.Cut(inQuotes, `"`)
			_, after, _ = strings.Cut(after, ",")
		}
		text = after
		all[strings.ToLower(strings.TrimSpace(name))] = value
	}
	return all
}

// token asks for one where the registry says.
func (a *authorizer) token(r *http.Request, wanted map[string]string) (string, error) {
	realm, err := url.Parse(wanted["realm"])
	if err != nil || realm.Host == "" || realm.Scheme != a.registry.Scheme && realm.Scheme != "https" {
		return "", fault.New(fault.Forbidden, "the registry names a place for tokens that nobody follows to").On(fault.Service)
	}
	query := realm.Query()
	for _, name := range []string{"service", "scope"} {
		if wanted[name] != "" {
			query.Set(name, wanted[name])
		}
	}
	realm.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, realm.String(), http.NoBody)
	if err != nil {
		return "", err
	}
	if a.username != "" {
		request.SetBasicAuth(a.username, a.password.Reveal())
	}
	answer, err := a.by.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() // it was only read
	switch {
	case answer.StatusCode >= http.StatusInternalServerError:
		return "", fault.New(fault.Unavailable, "the place where the registry's tokens are given fails with status %d", answer.StatusCode).On(fault.Service)
	case answer.StatusCode != http.StatusOK:
		return "", nil // the registry's own refusal says it
	}
	var given struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxTokenBytes)).Decode(&given); err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "the place where the registry's tokens are given answers with something else").On(fault.Service)
	}
	for _, token := range []string{given.Token, given.AccessToken} {
		if token != "" {
			return "Bearer " + token, nil
		}
	}
	return "", nil
}
