package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// parts are the files of a model: two with something in them, and empty ones around them.
func parts() [][]byte {
	all := content(700_000)
	return [][]byte{nil, all[:300_000], nil, nil, all[300_000:300_001], all[300_001:], nil}
}

func uploadOf(parts ...[]byte) client.ModelUpload {
	u := client.ModelUpload{Name: "large"}
	for i, p := range parts {
		u.Files = append(u.Files, client.UploadFile{Name: fmt.Sprintf("%d.gguf", i), Content: bytes.NewReader(p), SizeBytes: int64(len(p))})
	}
	return u
}

// want checks that an upload has these files, one behind the other.
func (u *tusUpload) want(t *testing.T, parts ...[]byte) {
	t.Helper()
	var files []announcedFile
	for i, p := range parts {
		files = append(files, announcedFile{fmt.Sprintf("%d.gguf", i), int64(len(p)), digestOf(p)})
	}
	if diff := cmp.Diff(files, u.announced.Files); diff != "" {
		t.Errorf("the files are (-want +got)\n%s", diff)
	}
	if !bytes.Equal(u.content.Bytes(), bytes.Join(parts, nil)) {
		t.Error("other bytes came")
	}
}

func TestUploadOfSeveralFiles(t *testing.T) {
	server, files := newTus(t), parts()
	var states []client.UploadState
	var last client.UploadProgress
	m, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), uploadOf(files...), client.UploadOptions{
		Keep: func(s client.UploadState) { states = append(states, s) },
		Progress: func(p client.UploadProgress) {
			if p.TotalBytes != 700_000 || p.Phase == last.Phase && p.DoneBytes < last.DoneBytes {
				t.Errorf("progress goes from %+v to %+v", last, p)
			}
			last = p
		},
	})
	if err != nil || m.Name != "large" {
		t.Fatalf("%+v, %v", m, err)
	}
	server.only().want(t, files...)
	if n := server.count("PATCH"); n != 1 {
		t.Errorf("it came in %d pieces", n)
	}
	if last != (client.UploadProgress{Phase: client.UploadSending, DoneBytes: 700_000, TotalBytes: 700_000}) {
		t.Errorf("the last progress is %+v", last)
	}
	var want []client.UploadState
	for i := range files {
		want = append(want, read(files[:i+1]...))
	}
	if diff := cmp.Diff(append(want, beginning(server.only(), files...), begun("u_1", files...), client.UploadState{}), states); diff != "" {
		t.Errorf("states (-want +got)\n%s", diff)
	}
}

func TestSeveralFilesGoOnWhereTheirConnectionBroke(t *testing.T) {
	server, files := newTus(t), parts()
	// Before the first byte, within each file, and on both sides of where one ends.
	cuts := []int64{0, 1, 150_000, 299_999, 300_000, 300_001, 300_002, 699_999, 700_000}
	server.cut = func(patches int) int64 {
		switch {
		case patches == 1:
			return cuts[0]
		case patches <= len(cuts):
			return cuts[patches-1] - cuts[patches-2]
		}
		return -1
	}
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), uploadOf(files...), client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	server.only().want(t, files...)
	if n := server.count("PATCH"); n != len(cuts)+1 {
		t.Errorf("it came in %d pieces", n)
	}
}

// counted is content that counts what is read of it, and fails where it is told to.
type counted struct {
	content []byte
	read    *atomic.Int64
	fail    func(at int64) error // nil is never
}

func (c counted) ReadAt(p []byte, at int64) (int, error) {
	if c.fail != nil {
		if err := c.fail(at); err != nil {
			return 0, err
		}
	}
	n, err := bytes.NewReader(c.content).ReadAt(p, at)
	c.read.Add(int64(n))
	return n, err
}

func TestSeveralFilesGoOnInOtherRuns(t *testing.T) {
	server := newTus(t)
	c := serve(t, server.ServeHTTP)
	files := [][]byte{content(3 << 20), content(5 << 20), content(7)}
	u, bytesRead := uploadOf(files...), make([]atomic.Int64, len(files))
	for i := range files {
		u.Files[i].Content = counted{content: files[i], read: &bytesRead[i]}
	}
	var state client.UploadState
	run := func(ctx context.Context, progress func(client.UploadProgress)) error {
		for i := range bytesRead {
			bytesRead[i].Store(0)
		}
		_, err := c.UploadModel(ctx, u, client.UploadOptions{State: state, Keep: func(s client.UploadState) { state = s }, Progress: progress})
		return err
	}

	ctx, interrupt := context.WithCancel(t.Context())
	err := run(ctx, func(p client.UploadProgress) {
		if p.DoneBytes >= 4<<20 {
			interrupt()
		}
	})
	if fault.KindOf(err) != fault.Canceled || !cmp.Equal(state, read(files[0])) {
		t.Fatalf("interrupted while the second is read: %v, and left is %+v", err, state)
	}

	ctx, interrupt = context.WithCancel(t.Context())
	server.cut, server.broken = func(int) int64 { return 6 << 20 }, interrupt
	hashed := int64(0) // before anything is sent
	err = run(ctx, func(p client.UploadProgress) {
		if p.Phase == client.UploadSending && hashed == 0 {
			hashed = bytesRead[1].Load() + bytesRead[2].Load()
		}
	})
	if fault.KindOf(err) != fault.Canceled || !cmp.Equal(state, begun("u_1", files...)) {
		t.Fatalf("interrupted while the second is sent: %v, and left is %+v", err, state)
	}
	if n := bytesRead[0].Load(); n != 3<<20 || hashed != 5<<20+7 {
		t.Errorf("%d bytes of the first were read, and %d of the others before any was sent", n, hashed)
	}

	server.cut = nil
	if err := run(t.Context(), func(client.UploadProgress) {}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{0, 2 << 20, 7} {
		if n := bytesRead[i].Load(); n != want {
			t.Errorf("%d bytes of file %d were read for the rest, want %d", n, i, want)
		}
	}
	server.only().want(t, files...)
	if !state.IsZero() {
		t.Errorf("%+v is left to go on with", state)
	}
}

func TestFilesThatChangeBetweenRuns(t *testing.T) {
	for _, tc := range []struct {
		name    string
		second  []byte
		refused bool // as the control plane sees only by the digest that it is another one
	}{
		{"shorter", content(999), false},
		{"longer", content(2000), false},
		{"another", content(2000)[1000:], true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, first := newTus(t), content(5000)
			c := serve(t, server.ServeHTTP)
			var state client.UploadState
			ctx, interrupt := context.WithCancel(t.Context())
			server.cut, server.broken = func(int) int64 { return 5001 }, interrupt
			keep := func(s client.UploadState) { state = s }
			if _, err := c.UploadModel(ctx, uploadOf(first, content(1000)), client.UploadOptions{Keep: keep}); fault.KindOf(err) != fault.Canceled {
				t.Fatal(err)
			}
			server.cut = nil
			_, err := c.UploadModel(t.Context(), uploadOf(first, tc.second), client.UploadOptions{State: state, Keep: keep})
			if tc.refused {
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "1.gguf") {
					t.Errorf("got %v, want fault.Invalid", err)
				}
				_, err = c.UploadModel(t.Context(), uploadOf(first, tc.second), client.UploadOptions{State: state, Keep: keep})
			}
			if err != nil {
				t.Fatal(err)
			}
			server.upload("u_2").want(t, first, tc.second)
		})
	}
}

func TestAFileThatCantBeReadIsNamedAndLosesNothing(t *testing.T) {
	server, files := newTus(t), [][]byte{content(100_000), content(200_000)}
	c := serve(t, server.ServeHTTP)
	u := uploadOf(files...)
	var state client.UploadState
	keep := func(s client.UploadState) { state = s }
	broken := counted{content: files[1], read: new(atomic.Int64)}
	sending := false
	broken.fail = func(at int64) error {
		if sending && at >= 100_000 {
			return errors.New("input/output error")
		}
		return nil
	}
	u.Files[1].Content = broken
	_, err := c.UploadModel(t.Context(), u, client.UploadOptions{Keep: keep, Progress: func(p client.UploadProgress) { sending = p.Phase == client.UploadSending }})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"1.gguf"`) {
		t.Fatalf("got %v, want fault.Invalid", err)
	}
	if _, err := c.UploadModel(t.Context(), uploadOf(files...), client.UploadOptions{State: state, Keep: keep}); err != nil {
		t.Fatal(err)
	}
	server.only().want(t, files...)
}

func TestAFileThatGrowsIsSentAsItWas(t *testing.T) {
	server, files := newTus(t), [][]byte{content(1000), content(2000)}
	u := uploadOf(files...)
	u.Files[0].Content = bytes.NewReader(content(1500))
	server.cut = func(patches int) int64 {
		if patches == 1 {
			return 500
		}
		return -1
	}
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), u, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	server.only().want(t, files...)
}

func TestAnotherUploadInThisOnesPlace(t *testing.T) {
	server := newTus(t)
	server.cut = func(int) int64 { return 1 }
	server.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.Header().Set("Upload-Length", "7")
			w.Header().Set("Upload-Offset", "7")
		}
		return r.Method == http.MethodHead
	}
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), uploadOf(content(1000)), client.UploadOptions{Patience: time.Second})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "another size") {
		t.Errorf("got %v, want fault.Unavailable", err)
	}
}

func TestWhyAnUploadHasFailed(t *testing.T) {
	server, file := newTus(t), content(1000)
	server.cut = func(int) int64 { return 1000 } // without an answer to the last byte
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), uploadOf(file), client.UploadOptions{State: read(nil)})
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "the sha256 of 0.gguf is") {
		t.Errorf("got %v, want fault.Conflict", err)
	}
}

func TestFilesThatAreKnownAreNotSent(t *testing.T) {
	server, files := newTus(t), [][]byte{content(1000), nil}
	server.known = []string{digestOf(files[0]), digestOf(nil)}
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), uploadOf(files...), client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := server.count("PATCH"); n != 0 {
		t.Errorf("%d pieces were sent", n)
	}
}

func TestTwoFilesOfOneName(t *testing.T) {
	server := newTus(t)
	u := uploadOf(content(10), content(20))
	u.Files[1].Name = u.Files[0].Name
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), u, client.UploadOptions{Progress: func(client.UploadProgress) { t.Error("they are read") }})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"0.gguf"`) {
		t.Errorf("got %v, want fault.Invalid", err)
	}
}
