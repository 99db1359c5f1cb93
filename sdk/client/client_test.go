package client_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// serve starts a stand-in for a control plane and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, server.URL)
}

func newClient(t *testing.T, baseURL string) *client.Client {
	t.Helper()
	c, err := client.New(baseURL, "crl_test", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer answers everything with one body.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	for _, address := range []string{
		"", "host", "host:11435", "ftp://host", "http://", "http://host:port", "http://user:secret@host",
		"http://host?key=secret", "http://host#secret", "http://secret\x7f",
	} {
		_, err := client.New(address, "", client.Options{})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("New(%q) = %v, want fault.Invalid", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) shows a secret: %v", address, err)
		}
	}
	for _, key := range []string{"two words", "crl_x\n", "crl_ü"} {
		if _, err := client.New("http://host", key, client.Options{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("New with the key %q = %v, want fault.Invalid", key, err)
		}
	}
}

// TestRequests pins what each method sends.
func TestRequests(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body)
		if key := r.Header.Get("Authorization"); key != "Bearer crl_test" {
			t.Errorf("%s: Authorization is %q", got, key)
		}
		io.WriteString(w, "null")
	})
	ctx := t.Context()
	cases := []struct {
		want string
		call func() error
	}{
		{"GET /api/system/status ", func() error { _, err := c.Status(ctx); return err }},
		{"GET /api/hosts ", func() error { _, err := c.Hosts(ctx); return err }},
		{"GET /api/hosts/gpu-1 ", func() error { _, err := c.Host(ctx, "gpu-1"); return err }},
		{"GET /api/hosts/a%2Fb%20c%3F ", func() error { _, err := c.Host(ctx, "a/b c?"); return err }},
		{"GET /api/hosts/%2E%2E ", func() error { _, err := c.Host(ctx, ".."); return err }},
		{"GET /api/models ", func() error { _, err := c.Models(ctx); return err }},
		{"GET /api/models/acme%2Floop:8b ", func() error { _, err := c.Model(ctx, "acme/loop:8b"); return err }},
		{`POST /api/models {"source":"s3://b/a.gguf","name":"tiny","hosts":["gpu-1"]}`, func() error {
			_, err := c.ImportModel(ctx, client.ModelImport{Source: "s3://b/a.gguf", Name: "tiny", Hosts: []string{"gpu-1"}})
			return err
		}},
		{"POST /api/models/m_1/download {}", func() error { _, err := c.DownloadModel(ctx, "m_1", client.Placement{}); return err }},
		{`POST /api/models/m_1/download {"hosts":["all"],"labels":{"a":"b"},"count":2}`, func() error {
			_, err := c.DownloadModel(ctx, "m_1", client.Placement{Hosts: []string{client.AllHosts}, Labels: map[string]string{"a": "b"}, Count: 2})
			return err
		}},
		{"DELETE /api/models/m_1 ", func() error { _, err := c.DeleteModel(ctx, "m_1", client.Deletion{}); return err }},
		{"DELETE /api/models/m_1?hosts=a%2Cb&purge=true ", func() error {
			_, err := c.DeleteModel(ctx, "m_1", client.Deletion{Hosts: []string{"a", "b"}, Purge: true})
			return err
		}},
		{"POST /api/models/m_1/restore ", func() error { _, err := c.RestoreModel(ctx, "m_1"); return err }},
		{`PATCH /api/models/m_1 {"labels":{},"pinned":false}`, func() error {
			_, err := c.ChangeModel(ctx, "m_1", client.ModelPatch{Labels: map[string]string{}, Pinned: new(false)})
			return err
		}},
		{`PATCH /api/models/m_1 {"aliases":["prod"],"move_aliases":true}`, func() error {
			_, err := c.ChangeModel(ctx, "m_1", client.ModelPatch{Aliases: []string{"prod"}, MoveAliases: true})
			return err
		}},
		{"GET /api/operations ", func() error { _, err := c.Operations(ctx, client.OperationQuery{}); return err }},
		{"GET /api/operations?model=tiny&state=failed ", func() error {
			_, err := c.Operations(ctx, client.OperationQuery{Model: "tiny", State: client.OperationFailed})
			return err
		}},
		{"GET /api/operations/op_1 ", func() error { _, err := c.Operation(ctx, "op_1"); return err }},
		{"POST /api/operations/op_1/cancel ", func() error { _, err := c.CancelOperation(ctx, "op_1"); return err }},
		{"POST /api/operations/op_1/retry ", func() error { _, err := c.RetryOperation(ctx, "op_1"); return err }},
		{"GET /api/models/tiny/fit ", func() error { _, err := c.Fit(ctx, "tiny", client.FitQuery{}); return err }},
		{"GET /api/models/tiny/fit?cache_type=q8_0&context=8192&hosts=a%2Cb&parallel=2 ", func() error {
			_, err := c.Fit(ctx, "tiny", client.FitQuery{ContextTokens: 8192, Parallel: 2, CacheType: "q8_0", Hosts: []string{"a", "b"}})
			return err
		}},
		{"GET /api/metrics ", func() error { _, err := c.Metrics(ctx); return err }},
		{"POST /api/hosts/gpu-1/drain ", func() error { _, err := c.Drain(ctx, "gpu-1"); return err }},
		{"POST /api/hosts/gpu-1/undrain ", func() error { _, err := c.Undrain(ctx, "gpu-1"); return err }},
		{"POST /api/hosts/gpu-1/ollama/default/restart ", func() error { _, err := c.RestartInstance(ctx, "gpu-1", "default"); return err }},
		{"GET /api/hosts/gpu-1/gpus ", func() error { _, err := c.GPUs(ctx, "gpu-1"); return err }},
		{"GET /api/hosts/gpu-1/gpus/processes ", func() error { _, err := c.GPUProcesses(ctx, "gpu-1"); return err }},
		{`POST /api/hosts/gpu-1/gpus/release {"seconds":90}`, func() error { _, err := c.ReleaseGPUs(ctx, "gpu-1", 90*time.Second); return err }},
		{"POST /api/hosts/gpu-1/gpus/acquire ", func() error { _, err := c.AcquireGPUs(ctx, "gpu-1"); return err }},
		{"GET /api/hosts/gpu-1/logs ", func() error { return closed(c.Logs(ctx, "gpu-1", client.LogOptions{})) }},
		{"GET /api/hosts/gpu-1/logs?follow=true&instance=second&lines=20 ", func() error {
			return closed(c.Logs(ctx, "gpu-1", client.LogOptions{Instance: "second", Lines: 20, Follow: true}))
		}},
		{"GET /api/routing/queues ", func() error { _, err := c.Queues(ctx); return err }},
		{"GET /api/routing/breakers ", func() error { _, err := c.Breakers(ctx); return err }},
		{`POST /api/routing/breakers/reset {"host":"gpu-1","model":"tiny"}`, func() error {
			_, err := c.ResetBreakers(ctx, client.BreakerFilter{Host: "gpu-1", Model: "tiny"})
			return err
		}},
		{`POST /api/chat {"message":"Hi","model":"tiny"}`, func() error { _, err := c.Chat(ctx, "tiny", "Hi"); return err }},
	}
	for _, tc := range cases {
		if err := tc.call(); err != nil {
			t.Errorf("%s: %v", tc.want, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func closed(body io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	return body.Close()
}

func TestAnAddressMayHaveAPath(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/k/crl_x/api/models" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		io.WriteString(w, "[]")
	}))
	defer server.Close()
	if _, err := newClient(t, server.URL+"/k/crl_x/").Models(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEmptyNamesAreNotAsked(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.RequestURI) })
	if _, err := c.Host(t.Context(), ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Host of an empty name = %v, want fault.Invalid", err)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	c := serve(t, answer(200, `[{"id": "m_1", "name": "tiny:latest", "size": 7, "from_the_future": {"x": 1}, "progress": null}]`))
	models, err := c.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Model{{ID: "m_1", Name: "tiny:latest", SizeBytes: 7}}, models); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnreachableControlPlane(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	taken.Close()
	_, err = newClient(t, "http://"+address+"/k/crl_secret").Status(t.Context())
	if fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("got %v, want fault.Unavailable", err)
	}
	if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(fault.MessageOf(err), address) {
		t.Errorf("%q says neither why nor where", err)
	}
	if strings.Contains(err.Error(), "crl_secret") {
		t.Errorf("the error shows the key: %v", err)
	}
}

func TestAContextThatEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Status(ctx); fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v, want fault.Canceled", err)
	}
	expired, cancelExpired := context.WithTimeout(t.Context(), 0)
	defer cancelExpired()
	if _, err := c.Status(expired); fault.KindOf(err) != fault.Timeout {
		t.Errorf("got %v, want fault.Timeout", err)
	}
}
