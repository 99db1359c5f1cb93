package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// The test binary is its own second process: with these set it is a child.
const (
	childRole = "CORRAL_SQLITE_TEST_CHILD"
	childDir  = "CORRAL_SQLITE_TEST_DIR"
	childTag  = "CORRAL_SQLITE_TEST_TAG"
)

func TestMain(m *testing.M) {
	roles := map[string]func(context.Context, string, string, io.Writer) error{
		"write for ever": writeForEver,
		"come and go":    comeAndGo,
	}
	role, isChild := os.LookupEnv(childRole)
	if !isChild {
		os.Exit(m.Run())
	}
	if err := roles[role](context.Background(), os.Getenv(childDir), os.Getenv(childTag), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child returns the command that runs a role on a directory.
func child(t *testing.T, role, dir, tag string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir, childTag+"="+tag)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeForEver writes from several goroutines to both files, and prints a line
// for each write that was acknowledged.
func writeForEver(ctx context.Context, dir, tag string, acknowledged io.Writer) error {
	db, err := Open(ctx, dir, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	const writers = 8
	var (
		mu     sync.Mutex // keeps lines whole
		failed = make(chan error, writers)
	)
	for i := range writers {
		go func() {
			for n := uint64(1); ; n++ {
				name := fmt.Sprintf("%s-%d-%d", tag, i, n)
				if err := writeBoth(ctx, db, name, n); err != nil {
					failed <- err
					return
				}
				mu.Lock()
				fmt.Fprintln(acknowledged, name, strconv.FormatUint(n, 10))
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

func writeBoth(ctx context.Context, db *DB, name string, n uint64) error {
	key := fleet.Key{ID: name, Name: name, Role: fleet.RoleViewer, Hash: []byte(name), CreatedAt: time.Now()}
	if err := db.CreateKey(ctx, key); err != nil {
		return err
	}
	return db.AppendSamples(ctx, []fleet.SampleRow{{HostID: name, RunID: "run", Seq: n, TakenAt: time.Now(), ReceivedAt: time.Now()}})
}

const visits = 30

// comeAndGo opens the directory, writes once and closes it, again and again, as
// a command line does beside a server.
func comeAndGo(ctx context.Context, dir, _ string, _ io.Writer) error {
	for range visits {
		state, err := OpenState(ctx, dir, hclog.NewNullLogger())
		if err != nil {
			return err
		}
		if err := state.AddToCounters(ctx, map[string]int64{"visits": 1}); err != nil {
			return err
		}
		if err := state.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]uint64{}
	for round := range 4 {
		killAfter(t, child(t, "write for ever", dir, fmt.Sprint(round)), 50+100*round, acknowledged)
	}
	db := openTest(t, dir)
	keys, err := db.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for _, k := range keys {
		stored[k.ID] = true
	}
	for name, seq := range acknowledged {
		if !stored[name] {
			t.Errorf("key %s was acknowledged and is lost", name)
		}
		if last, err := db.LastSeq(t.Context(), name, "run"); err != nil || last != seq {
			t.Errorf("sample %s was acknowledged with seq %d, and %d is stored (%v)", name, seq, last, err)
		}
	}
	t.Logf("%d writes were acknowledged by 4 processes that were killed", len(acknowledged))
}

// killAfter starts a child, kills it amid its work when it has acknowledged
// count writes, and notes all that it acknowledged.
func killAfter(t *testing.T, cmd *exec.Cmd, count int, acknowledged map[string]uint64) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		var (
			name string
			seq  uint64
		)
		if _, err := fmt.Sscan(scanner.Text(), &name, &seq); err != nil {
			continue // the line that the kill cut off
		}
		acknowledged[name] = seq
		if lines++; lines == count {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || lines < count {
		t.Fatalf("the child ended by itself after %d writes: %v", lines, err)
	}
}

func TestProcessesShareTheFiles(t *testing.T) {
	dir := t.TempDir()
	first, second := child(t, "come and go", dir, ""), child(t, "come and go", dir, "")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	// Meanwhile this process stays and writes, from the very first start on.
	db := openTest(t, dir)
	for range visits {
		if err := db.AddToCounters(t.Context(), map[string]int64{"visits": 1}); err != nil {
			t.Error(err)
		}
	}
	for _, cmd := range []*exec.Cmd{first, second} {
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	}
	counters, err := db.Counters(t.Context())
	if err != nil || counters["visits"] != 3*visits {
		t.Errorf("counted %v visits of %d (%v)", counters, 3*visits, err)
	}
}
