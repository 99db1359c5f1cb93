package servertest

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// GCSServer is fake-gcs-server, which asks nobody who they are, and keeps objects in
// memory: as files they can't have long names.
type GCSServer struct {
	*process
	Endpoint string
	Bucket   string
}

// GCS starts a server of Google Cloud Storage with a bucket.
func GCS(t testing.TB) *GCSServer {
	t.Helper()
	fake := program(t, "gcs", "fake-gcs-server")
	s := &GCSServer{Bucket: "bucket"}
	s.process = start(t, func(address string) *exec.Cmd {
		host, port, _ := strings.Cut(address, ":")
		return exec.Command(fake, "-scheme", "http", "-host", host, "-port", port, "-backend", "memory",
			"-external-url", "http://"+address, "-public-host", address, "-log-level", "error")
	})
	s.Endpoint = "http://" + s.address
	if err := s.makeBucket(); err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	return s
}

func (s *GCSServer) makeBucket() error {
	answer, err := http.Post(s.Endpoint+"/storage/v1/b?project=tests", "application/json", strings.NewReader(`{"name":"`+s.Bucket+`"}`))
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server says %s", answer.Status)
	}
	return nil
}

// Config returns the configuration of storage-gcs for the server, as YAML.
func (s *GCSServer) Config(prefix string) string {
	return fmt.Sprintf("endpoint: %s\nanonymous: true\nbucket: %s\nprefix: %q\n", s.Endpoint, s.Bucket, prefix)
}
