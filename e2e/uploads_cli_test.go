package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// valve passes connections on to a server, and as many bytes of their clients as it is
// told to. Then they stand still.
type valve struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	turned *sync.Cond
	open   int64 // bytes that may still pass
	passed int64
	conns  map[net.Conn]bool // those that are let live
}

func newValve(t *testing.T, server string) *valve {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{listener: listener, server: server, conns: map[net.Conn]bool{}}
	v.turned = sync.NewCond(&v.mu)
	t.Cleanup(func() {
		listener.Close()
		v.cut()
	})
	go v.serve()
	return v
}

func (v *valve) serve() {
	for {
		client, err := v.listener.Accept()
		if err != nil {
			return
		}
		go v.pass(client)
	}
}

func (v *valve) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", v.server)
	if err != nil { // it is being started again
		return
	}
	defer server.Close()
	v.mu.Lock()
	v.conns[client] = true
	v.mu.Unlock()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	piece := make([]byte, 4<<10)
	for {
		n := v.take(client, int64(len(piece)))
		if n == 0 {
			return
		}
		got, err := client.Read(piece[:n])
		v.give(n-int64(got), int64(got))
		if err != nil {
			return
		}
		if _, err := server.Write(piece[:got]); err != nil {
			return
		}
	}
}

// take waits until bytes may pass, and returns how many, at most so many; 0 is that the
// connection is cut.
func (v *valve) take(client net.Conn, most int64) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.open == 0 && v.conns[client] {
		v.turned.Wait()
	}
	if !v.conns[client] {
		return 0
	}
	n := min(most, v.open)
	v.open -= n
	return n
}

// give gives back what did not pass.
func (v *valve) give(back, passed int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open += back
	v.passed += passed
	v.turned.Broadcast()
}

// let lets so many bytes pass from now on.
func (v *valve) let(n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open, v.passed = n, 0
	v.turned.Broadcast()
}

// sent returns how many bytes have passed since then.
func (v *valve) sent() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.passed
}

// cut ends the connections that there are.
func (v *valve) cut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c := range v.conns {
		c.Close()
	}
	clear(v.conns)
	v.turned.Broadcast()
}

// TestSeveralFilesByTheCommandLine uploads a model of three files, and kills the program in
// the second of them and the control plane in the third. The same command sends what is
// missing and no more, the catalogue has the files, and a host answers with them.
func TestSeveralFilesByTheCommandLine(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	operator := controlplane.As(corraltest.Operator)
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "one", Args: corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models"))})
	files := gguftest.Split(tiny(t, tinymodel.Options{FeedForward: 5000}), "shard", 3)
	names := slices.Sorted(maps.Keys(files))
	folder := filepath.Join(lab.Folder("downloads"), "Split-Model")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	begins, total := map[string]int64{}, int64(0)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		begins[name] = total
		total += int64(len(files[name]))
	}
	const overhead = 16 << 10 // of what is beside the files: headers, and the list of them
	for _, name := range names {
		if len(files[name]) < 4*overhead {
			t.Fatalf("%s has %d bytes, which are too few to tell where it was broken off", name, len(files[name]))
		}
	}
	state := lab.Folder("state")
	line := newValve(t, controlplane.Address)
	upload := corraltest.Command{
		Path: corraltest.Bin(t, "corral"),
		Env:  []string{"CORRAL_SERVER=http://" + line.listener.Addr().String(), "CORRAL_KEY=" + controlplane.Key(corraltest.Operator), "XDG_STATE_HOME=" + state},
		Args: []string{"model", "upload", folder},
	}
	// standsAt has an upload go on from an offset, and stand still in the middle of a file.
	standsAt := func(from int64, name string) {
		t.Helper()
		at := begins[name] + int64(len(files[name]))/2
		line.let(at - from)
		corraltest.Await(t, modelLimit, "the upload stands still", func() error {
			all, err := controlplane.API().Operations(t.Context(), client.OperationQuery{Model: "Split-Model"})
			if err != nil || line.sent() != at-from || len(all) != 1 || all[0].DoneBytes < at-overhead {
				return fmt.Errorf("%d bytes have passed, and there is %+v, %w", line.sent(), all, err)
			}
			return nil
		})
	}

	program := lab.Start(upload)
	standsAt(0, names[1])
	program.Kill()
	line.cut()
	first := arrived(t, operator, state)
	if from, to := begins[names[1]], begins[names[2]]; first <= from || first >= to {
		t.Fatalf("%d bytes came before the program was killed, want more than %d and less than %d", first, from, to)
	}

	program = lab.Start(upload)
	standsAt(first, names[2])
	controlplane.Kill()
	line.cut()
	controlplane.Restart()
	second := arrived(t, operator, state)
	if second < first {
		t.Errorf("of %d bytes that had come, %d are left", first, second)
	}
	line.let(1 << 40)
	if code := program.Wait(modelLimit); code != 0 || !program.LogHas("model Split-Model:latest is uploaded") {
		t.Fatalf("status %d\n%s", code, program.Log())
	}
	if program.LogHas("hashing") {
		t.Errorf("the files were read again:\n%s", program.Log())
	}
	if rest := line.sent(); rest < total-second || rest > total-second+overhead {
		t.Errorf("%d bytes were sent, and %d were missing", rest, total-second)
	}

	var m struct {
		Files []struct {
			Path   string `json:"path"`
			SHA256 string `json:"sha256"`
		} `json:"files"`
	}
	awaitModel(t, operator, "Split-Model", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	operator.Get("/api/models/Split-Model").JSON(&m)
	if len(m.Files) != len(names) {
		t.Errorf("it has the files %v", m.Files)
	}
	for _, f := range m.Files {
		if sum := sha256.Sum256(files[f.Path]); f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is another one: %s", f.Path, f.SHA256)
		}
	}
	agent.AwaitServing(serveLimit)
	if got := operator.Post("/api/models/Split-Model/download", object{"hosts": []string{"one"}}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	awaitModel(t, operator, "Split-Model", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
	if said := says(t, controlplane, "Split-Model"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

// arrived returns how much of an upload has arrived, of which the command line has noted
// what it needs to go on.
func arrived(t *testing.T, operator *corraltest.Caller, state string) int64 {
	t.Helper()
	notes, err := filepath.Glob(filepath.Join(state, "corral", "uploads", "*.json"))
	if err != nil || len(notes) != 1 {
		t.Fatalf("noted are %v, %v", notes, err)
	}
	text, err := os.ReadFile(notes[0])
	var note struct{ ID string }
	if err == nil {
		err = json.Unmarshal(text, &note)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := operator.Do(http.MethodHead, "/api/uploads/"+note.ID, nil, "Tus-Resumable", "1.0.0")
	offset, err := strconv.ParseInt(got.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		t.Fatalf("the upload %s is %d, %v", note.ID, got.Status, got.Header)
	}
	return offset
}
