package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
)

// What is uploaded goes through the control plane and an agent to the host that
// is named, and neither of them keeps more than a small part of it.
const (
	blobBytes  = 256 << 20
	grownBytes = 32 << 20
)

// TestABlobGoesToTheHostThatIsNamed uploads a large file, the same one twice.
func TestABlobGoesToTheHostThatIsNamed(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agents := map[string]*corraltest.Agent{}
	for _, name := range []string{"alpha", "beta"} {
		agents[name] = controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: ollamatest.Start(t, ollamatest.Options{}).URL})
		agents[name].AwaitServing(serveLimit)
	}
	operator := controlplane.As(corraltest.Operator)
	path := "/api/blobs/" + digestOf(t, zeros(blobBytes))
	if got := operator.Do(http.MethodHead, path, nil); got.Status != http.StatusNotFound { // the fleet as a whole is asked
		t.Errorf("without a host: status %d", got.Status)
	}
	processes := map[string]int{"the control plane": controlplane.PID, "the agent": agents["beta"].PID}
	before := map[string]int64{}
	for name, pid := range processes {
		before[name] = peakBytes(t, pid)
	}
	for _, want := range []int{http.StatusCreated, http.StatusOK} { // the second time it is there
		if got := upload(t, operator, path+"?host=beta", zeros(blobBytes)); got != want {
			t.Errorf("the upload is answered with %d, want %d", got, want)
		}
	}
	for name, pid := range processes {
		grown := peakBytes(t, pid) - before[name]
		t.Logf("%s grew by %d bytes", name, grown)
		if grown > grownBytes {
			t.Errorf("%s may grow by %d bytes", name, grownBytes)
		}
	}
	for host, want := range map[string]int{"alpha": http.StatusNotFound, "beta": http.StatusOK} {
		if got := operator.Do(http.MethodHead, path, nil, "Corral-Target", host); got.Status != want {
			t.Errorf("host %s: status %d, want %d", host, got.Status, want)
		}
	}
}

func upload(t *testing.T, c *corraltest.Caller, path string, body io.Reader) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	response, err := c.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

// zeros returns a file of this size.
func zeros(size int64) io.Reader {
	return io.LimitReader(readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil }), size)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func digestOf(t *testing.T, r io.Reader) string {
	t.Helper()
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil))
}

// peakBytes returns the most that a process ever had in memory.
func peakBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := strings.Cut(string(rest), "\n")
	var kib int64
	if _, err := fmt.Sscanf(line, "%d kB", &kib); err != nil {
		t.Fatalf("the peak of process %d is %q: %v", pid, line, err)
	}
	return kib << 10
}
