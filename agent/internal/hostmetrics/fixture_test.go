package hostmetrics

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire"
)

// machine is a fixture machine whose files a test may change.
type machine struct {
	t    testing.TB
	root string
	log  syncBuffer
}

// newMachine returns a machine with the files of testdata/odd.
func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir()}
	if err := os.CopyFS(m.root, os.DirFS("testdata/odd")); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) sampler() *Sampler {
	return New(Options{
		Logger:   hclog.New(&hclog.LoggerOptions{Output: &m.log, Level: hclog.Trace}),
		ProcRoot: filepath.Join(m.root, "proc"),
		SysRoot:  filepath.Join(m.root, "sys"),
		EtcRoot:  filepath.Join(m.root, "etc"),
	})
}

func (m *machine) write(name, content string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.root, name), []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) remove(name string) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.root, name)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) sample(s *Sampler) *wire.Sample {
	var dst wire.Sample
	s.Sample(m.t.Context(), &dst)
	return &dst
}

// logged counts the log lines that hold all of words.
func (m *machine) logged(words ...string) int {
	n := 0
line:
	for line := range strings.Lines(m.log.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue line
			}
		}
		n++
	}
	return n
}

// background runs the sampler until the test ends.
func background(t *testing.T, s *Sampler) {
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	synctest.Wait()
}

func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty())
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// restore brings back a file of the fixture.
func (m *machine) restore(name string) {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata/odd", name))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name, string(content))
}
