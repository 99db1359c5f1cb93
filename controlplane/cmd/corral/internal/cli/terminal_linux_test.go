package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/client"
)

// terminal returns both ends of a pseudo terminal: what a person has, and what the program
// has.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// seen closes the program's end of a terminal and returns what was to be seen there.
func seen(t *testing.T, person, program *os.File) string {
	t.Helper()
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	piece := make([]byte, 4096)
	for {
		n, err := person.Read(piece)
		all.Write(piece[:n])
		if err != nil { // EIO, as there is nobody at the other end
			return all.String()
		}
	}
}

func TestBarsOnATerminal(t *testing.T) {
	person, program := terminal(t)
	g := (&session{Program: Program{Stderr: program}}).gauges()
	o := client.Operation{ID: "op_1", Kind: "download", Model: "tiny:latest", Host: "gpu-1", State: client.OperationRunning, Phase: "fetching", DoneBytes: 50, TotalBytes: 200}
	g.set("op_1", operationReading(&o))
	o.State, o.Error = client.OperationFailed, "the disk \x1b[2J is full"
	o.ID = "op_2"
	g.set("op_2", operationReading(&o))
	g.close()
	text := seen(t, person, program)
	for _, want := range []string{"download tiny:latest to gpu-1", "[======----------------]", "fetching, 25% of 200 B", "failed: the disk ?[2J is full"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not to be seen in %q", want, text)
		}
	}
}

// TestABarGoesOn has a bar, once it was to be seen, follow what it shows to its end.
func TestABarGoesOn(t *testing.T) {
	person, program := terminal(t)
	g := (&session{Program: Program{Stderr: program}}).gauges()
	o := client.Operation{ID: "op_1", Kind: "store", Model: "tiny:latest", State: client.OperationRunning, Phase: "storing", DoneBytes: 50, TotalBytes: 200}
	g.set("op_1", operationReading(&o))
	var shown strings.Builder
	for piece := make([]byte, 4096); !strings.Contains(shown.String(), "[======----------------] storing, 25% of 200 B"); {
		n, err := person.Read(piece)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(piece[:n])
	}
	o.DoneBytes = 150
	g.set("op_1", operationReading(&o))
	o.State = client.OperationDone
	g.set("op_1", operationReading(&o))
	g.close()
	text := seen(t, person, program)
	if want := "[======================] done, 200 B"; !strings.Contains(text, want) {
		t.Errorf("%q is not to be seen in %q", want, text)
	}
	// What is typed meanwhile leaves the cursor anywhere in the line.
	const cleared = "\x1b[J"
	if n, whole := strings.Count(text, cleared), strings.Count(text, cleared+"\r"); n == 0 || whole != n {
		t.Errorf("of %d times, %d are drawn from the first column on: %q", n, whole, text)
	}
}

func TestALabelLeavesRoomForHowFarItIs(t *testing.T) {
	for want, is := range map[string]string{
		"upload tiny.gguf":     bounded("upload tiny.gguf", 20),
		"upload split-00001-…": bounded("upload split-00001-of-00003.gguf and 2 more", 20),
		"store größer":         bounded("store größer", 12),
	} {
		if is != want {
			t.Errorf("%q, want %q", is, want)
		}
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		files, err := openModelFiles([]string{path})
		closeModelFiles(files)
		opened <- err
	}()
	select {
	case err := <-opened:
		if err == nil || !strings.Contains(err.Error(), "tiny.gguf is no regular file") {
			t.Errorf("a pipe was opened: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for somebody who writes to the pipe")
	}
}

func TestATerminalIsAskedBeforeADeletion(t *testing.T) {
	environment := map[string]string{"CORRAL_SERVER": controlPlane(t, fleetOfTwo()).URL, "CORRAL_KEY": "crl_test"}
	for _, tc := range []struct {
		answer, stdout, complaint string
		exit                      int
	}{
		{"yes\n", "model acme/loop:q4 goes from gpu-1, gpu-3\n", "", exitDone},
		{"n\n", "", "corral: nothing was deleted\n", exitFailed},
		{"\n", "", "corral: nothing was deleted\n", exitFailed},
	} {
		person, program := terminal(t)
		if _, err := person.WriteString(tc.answer); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		exit := Program{
			Args: []string{"model", "delete", "acme/loop:q4", "--hosts", "gpu-1,gpu-3"}, Getenv: func(name string) string { return environment[name] },
			Stdin: program, Stdout: &stdout, Stderr: &stderr, Now: now,
		}.Run(t.Context())
		if want := "Delete acme/loop:q4, 3.0 GiB, from gpu-1, gpu-3? [y/N] " + tc.complaint; exit != tc.exit || stdout.String() != tc.stdout || stderr.String() != want {
			t.Errorf("%q: exit %d, %q, %q", tc.answer, exit, stdout.String(), stderr.String())
		}
	}
}
