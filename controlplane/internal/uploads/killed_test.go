package uploads_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/controlplane/internal/uploads/uploadstest"
)

// The test binary is its own server: with these set it takes an upload from its input.
const (
	childDir = "CORRAL_UPLOADS_TEST_DIR"
	childID  = "CORRAL_UPLOADS_TEST_ID"
)

func TestMain(m *testing.M) {
	dir, isChild := os.LookupEnv(childDir)
	if !isChild {
		os.Exit(m.Run())
	}
	if err := takeInput(context.Background(), dir, os.Getenv(childID)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// telling is a store that prints each offset that it has stored.
type telling struct{ fleet.UploadStore }

func (s telling) SaveUpload(ctx context.Context, u fleet.Upload) error {
	if err := s.UploadStore.SaveUpload(ctx, u); err != nil {
		return err
	}
	fmt.Println(u.OffsetBytes, u.State)
	return nil
}

// takeInput adds what comes on standard input to an upload.
func takeInput(ctx context.Context, dir, id string) error {
	store, err := sqlite.OpenState(ctx, dir, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	s := uploads.New(uploads.Options{
		Store: telling{store}, Sink: &uploadstest.Sink{Dir: filepath.Join(dir, "models")}, Folder: filepath.Join(dir, "uploads"),
		MaxBytes: func() int64 { return 0 }, KeepFor: time.Hour, Log: hclog.NewNullLogger(), Now: noon,
	})
	s.FlushEvery(256 << 10)
	if err := s.Load(ctx); err != nil {
		return err
	}
	u, err := s.Look(ctx, id)
	if err != nil {
		return err
	}
	fmt.Println(u.OffsetBytes, u.State)
	_, err = s.Append(ctx, id, uploads.Piece{OffsetBytes: u.OffsetBytes, SizeBytes: -1, Body: os.Stdin})
	return err
}

// A process that takes an upload in is killed again and again. Each next one goes on
// where the one before had noted that it is, and reads nothing that came before: what
// lies there is even damaged meanwhile, and the digest is still that of what was sent.
func TestAnUploadSurvivesKills(t *testing.T) {
	for name, files := range map[string]several{
		"one file":      {random(6 << 20)},
		"several files": {random(1<<20 + 1), nil, random(2<<20 + 7), random(64 << 10), random(3 << 20), nil},
	} {
		t.Run(name, func(t *testing.T) { testKills(t, files) })
	}
}

func testKills(t *testing.T, files several) {
	content := files.whole()
	f := start(t, nil)
	u := f.beginSeveral(files.announced())
	var noted int64
	for kills := 0; ; kills++ {
		cmd, in, out := f.child(u.ID)
		at, state := f.heard(out)
		if at < noted || state != fleet.UploadReceiving {
			t.Fatalf("after %d kills at %d (%s), and %d was noted", kills, at, state, noted)
		}
		noted = at
		last := kills == 5
		end := at + 1<<20
		if last {
			end = int64(len(content))
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.Copy(in, bytes.NewReader(content[at:end])) // fails when the child is killed
			if last {
				_ = in.Close()
			}
		}()
		for noted == at || last && state != fleet.UploadDone {
			noted, state = f.heard(out)
		}
		if last {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			break
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // tells of the kill
		<-sent
		if kills == 0 {
			f.spoil(u.ID)
		}
	}
	// The first byte was changed, and the digest is of what was sent.
	for i, want := range files {
		got, err := f.sink.Content(digest(want))
		if i == 0 && len(got) > 0 && got[0] != want[0] {
			got[0] = want[0]
		} else if i == 0 {
			t.Error("the first file was read again, or not spoiled")
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("file %d: the sink has %d bytes, %v", i, len(got), err)
		}
	}
}

func (f *fixture) child(id string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner) {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.CommandContext(f.t.Context(), self)
	cmd.Env = append(os.Environ(), childDir+"="+f.dir, childID+"="+id)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(out)
}

// heard returns what a child says next.
func (f *fixture) heard(out *bufio.Scanner) (at int64, state fleet.UploadState) {
	f.t.Helper()
	if !out.Scan() {
		f.t.Fatal("the child has ended")
	}
	if _, err := fmt.Sscan(out.Text(), &at, &state); err != nil {
		f.t.Fatalf("%q: %v", out.Text(), err)
	}
	return at, state
}

// spoil changes the first byte of a staged file.
func (f *fixture) spoil(id string) {
	f.t.Helper()
	file, err := os.OpenFile(filepath.Join(f.dir, "uploads", id), os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	first := make([]byte, 1)
	if _, err := file.ReadAt(first, 0); err != nil {
		f.t.Fatal(err)
	}
	first[0]++
	if _, err := file.WriteAt(first, 0); err != nil {
		f.t.Fatal(err)
	}
}
