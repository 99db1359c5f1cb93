package corraltest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answerLimit is how long a whole answer may take.
const answerLimit = 60 * time.Second

// Caller calls a server as a plain HTTP client does.
type Caller struct {
	T    testing.TB
	URL  string
	Key  string // sent as a bearer token unless it is empty
	HTTP *http.Client
}

// Plain returns a client that keeps no connection, so that none outlives a test.
func Plain() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// Answer is a whole answer.
type Answer struct {
	Status int
	Header http.Header
	Body   string

	t testing.TB
}

// JSON decodes the body and ends the test when the status is not 200.
func (a Answer) JSON(result any) {
	a.t.Helper()
	if a.Status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), result); err != nil {
		a.t.Fatalf("%v in %s", err, a.Body)
	}
}

// Get gets a path.
func (c *Caller) Get(path string) Answer {
	c.T.Helper()
	return c.Do(http.MethodGet, path, nil)
}

// Post posts a body as JSON; a string is sent as it is.
func (c *Caller) Post(path string, body any) Answer {
	c.T.Helper()
	return c.Do(http.MethodPost, path, body)
}

// Do sends a request and reads the whole answer. header has names and values in turn.
func (c *Caller) Do(method, path string, body any, header ...string) Answer {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), answerLimit)
	defer cancel()
	response, err := c.send(ctx, method, path, body, header...)
	if err != nil {
		c.T.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.T.Fatalf("%s %s: %v after %q", method, path, err, text)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(text), t: c.T}
}

func (c *Caller) send(ctx context.Context, method, path string, body any, header ...string) (*http.Response, error) {
	c.T.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			c.T.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, content)
	if err != nil {
		c.T.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.Key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return c.HTTP.Do(request)
}

// Abandon posts a body as JSON and leaves when patience is over. It returns
// then, or when the request has ended before.
func (c *Caller) Abandon(path string, body any, patience time.Duration) {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), patience)
	defer cancel()
	response, err := c.send(ctx, http.MethodPost, path, body)
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
