package uploads_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestUploadInPieces(t *testing.T) {
	content := random(1_000_003) // several buffers, and not all full
	f := start(t, nil)
	u := f.begin(len(content), strings.ToUpper(digest(content)))
	if u.Name != "tiny:latest" || u.State != fleet.UploadReceiving || u.OffsetBytes != 0 {
		t.Fatalf("begun as %+v", u)
	}
	for _, end := range []int{0, 1, 300_000, 300_000, 999_999, len(content)} {
		from := int(u.OffsetBytes)
		var err error
		u, err = f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: u.OffsetBytes, SizeBytes: int64(end - from), Body: bytes.NewReader(content[from:end])})
		if err != nil || u.OffsetBytes != int64(end) {
			t.Fatalf("to %d: at %d, %v", end, u.OffsetBytes, err)
		}
		if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.OffsetBytes != int64(end) {
			t.Fatalf("seen at %d, %v", seen.OffsetBytes, err)
		}
	}
	f.wantTaken(content)
	want := []uploads.Finished{{
		Import: fleet.Import{Name: "tiny:latest"}, ID: u.ID, OwnerID: "k1",
		Files: []uploads.File{{Name: "tiny.gguf", SizeBytes: int64(len(content)), SHA256: digest(content), Path: filepath.Join(f.dir, "uploads", u.ID)}},
	}}
	if diff := cmp.Diff(want, f.sink.Took()); diff != "" {
		t.Error(diff)
	}
	f.wantLeft()
	// A client that lost the last answer asks, and adds nothing.
	again, err := f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: u.SizeBytes, Body: bytes.NewReader(nil)})
	if err != nil || again.State != fleet.UploadDone {
		t.Errorf("%+v, %v", again, err)
	}
	last := f.sink.Changes()[len(f.sink.Changes())-1]
	if last.Upload.State != fleet.UploadDone || last.ReceivedBytes != u.SizeBytes {
		t.Errorf("heard at last: %+v", last)
	}
}

func TestPiecesThatDontFit(t *testing.T) {
	f := start(t, nil)
	u := f.begin(10, "")
	add := func(offset, size int64, text string) error {
		_, err := f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: offset, SizeBytes: size, Body: strings.NewReader(text)})
		return err
	}
	wantKind(t, add(1, 1, "x"), fault.Conflict)
	wantKind(t, add(0, 11, "01234567890"), fault.TooLarge)
	if err := add(0, 5, "01234"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, add(0, 5, "01234"), fault.Conflict)
	if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.OffsetBytes != 5 || seen.State != fleet.UploadReceiving {
		t.Errorf("%+v, %v", seen, err)
	}
	// Who doesn't say how much comes, and sends too much, has sent something else than
	// was announced.
	wantKind(t, add(5, -1, "567890"), fault.TooLarge)
	err := add(5, 1, "5")
	wantKind(t, err, fault.Conflict)
	if !errors.Is(err, uploads.ErrOver) {
		t.Error(err)
	}
	f.wantLeft()
	_, err = f.Append(t.Context(), "u_unknown", uploads.Piece{Body: strings.NewReader("")})
	wantKind(t, err, fault.NotFound)
}

func TestWrongDigest(t *testing.T) {
	f := start(t, nil)
	u := f.begin(3, digest([]byte("abc")))
	_, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 3, Body: strings.NewReader("abd")})
	wantKind(t, err, fault.Invalid)
	if want := "the sha256 of what came is " + digest([]byte("abd")) + ", not " + digest([]byte("abc")); err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	f.wantLeft()
	seen, err := f.Look(t.Context(), u.ID)
	if err != nil || seen.State != fleet.UploadFailed || !strings.HasPrefix(seen.Problem, "the sha256") {
		t.Errorf("%+v, %v", seen, err)
	}
	if len(f.sink.Took()) != 0 {
		t.Error("the sink has got it")
	}
}

// A piece with a wrong checksum, or of which only a part came, is as if it had not come.
func TestChecksums(t *testing.T) {
	content := random(700_000)
	f := start(t, nil)
	u := f.begin(len(content), digest(content))
	half := content[:350_000]
	sum1 := sha1.Sum(half)
	for name, c := range map[string]struct {
		body io.Reader
		sum  []byte
		want error
	}{
		"damaged": {bytes.NewReader(random(350_000)[1:]), sum1[:], uploads.ErrDamaged},
		"cut":     {io.MultiReader(bytes.NewReader(half[:200_000]), failing{}), sum1[:], errBroken},
	} {
		_, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: -1, Body: c.body, Sum: sha1.New(), Checksum: c.sum})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.OffsetBytes != 0 {
			t.Fatalf("%s: %+v, %v", name, seen, err)
		}
	}
	if _, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 350_000, Body: bytes.NewReader(half), Sum: sha1.New(), Checksum: sum1[:]}); err != nil {
		t.Fatal(err)
	}
	rest := sha256.Sum256(content[350_000:])
	if _, err := f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: 350_000, SizeBytes: -1, Body: bytes.NewReader(content[350_000:]), Sum: sha256.New(), Checksum: rest[:]}); err != nil {
		t.Fatal(err)
	}
	f.wantTaken(content)
}

var errBroken = errors.New("the line broke")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func TestALineThatBreaksKeepsWhatCame(t *testing.T) {
	content := random(900_000)
	f := start(t, nil)
	u := f.begin(len(content), digest(content))
	for cuts := 0; u.State == fleet.UploadReceiving; cuts++ {
		at := u.OffsetBytes
		piece := content[at:min(at+89_989, int64(len(content)))]
		var err error
		u, err = f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: at, SizeBytes: int64(len(content)) - at, Body: io.MultiReader(bytes.NewReader(piece), failing{})})
		if u.State == fleet.UploadReceiving && !errors.Is(err, errBroken) {
			t.Fatalf("cut %d: %v", cuts, err)
		}
		if u.OffsetBytes != at+int64(len(piece)) {
			t.Fatalf("cut %d: at %d, want %d", cuts, u.OffsetBytes, at+int64(len(piece)))
		}
	}
	f.wantTaken(content)
}

// Who comes last goes on; who was there before is broken off, with what it brought kept.
func TestTheLatestConnectionGoesOn(t *testing.T) {
	content := random(600_000)
	f := start(t, nil)
	u := f.begin(len(content), digest(content))
	old := newLine()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Append(background(t), u.ID, uploads.Piece{SizeBytes: u.SizeBytes, Body: old, Break: old.cut})
		ended <- err
	}()
	if _, err := old.send.Write(content[:100_000]); err != nil {
		t.Fatal(err)
	}
	seen, err := f.Look(t.Context(), u.ID)
	if err != nil || seen.OffsetBytes != 100_000 {
		t.Fatalf("at %d, %v", seen.OffsetBytes, err)
	}
	if err := <-ended; !errors.Is(err, uploads.ErrTakenOver) {
		t.Errorf("the older connection ended with %v", err)
	}
	if _, err := f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: 100_000, SizeBytes: 500_000, Body: bytes.NewReader(content[100_000:])}); err != nil {
		t.Fatal(err)
	}
	f.wantTaken(content)
}

// However many fight for an upload, each byte is written once, and where it belongs.
func TestManyConnectionsAtOnce(t *testing.T) {
	content := random(400_000)
	f := start(t, nil)
	u := f.begin(len(content), digest(content))
	const rivals = 8
	ended := make(chan struct{}, rivals)
	for range rivals {
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				seen, err := f.Look(background(t), u.ID)
				switch {
				case errors.Is(err, uploads.ErrTakenOver):
					continue
				case err != nil:
					t.Error(err)
					return
				case seen.State == fleet.UploadDone:
					return
				}
				end := min(seen.OffsetBytes+10_007, seen.SizeBytes)
				_, err = f.Append(background(t), u.ID, uploads.Piece{OffsetBytes: seen.OffsetBytes, SizeBytes: end - seen.OffsetBytes, Body: bytes.NewReader(content[seen.OffsetBytes:end])})
				if err != nil && fault.KindOf(err) != fault.Conflict {
					t.Error(err)
					return
				}
			}
		}()
	}
	for range rivals {
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("the rivals never came to an end")
		}
	}
	f.wantTaken(content)
	if n := len(f.sink.Took()); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

// When its context ends, what an upload brought is kept.
func TestTheContextEndsAnUpload(t *testing.T) {
	f := start(t, nil)
	u := f.begin(100, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := newLine()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Append(ctx, u.ID, uploads.Piece{SizeBytes: 100, Body: in, Break: in.cut})
		ended <- err
	}()
	if _, err := in.send.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	cancel(errBroken)
	if err := <-ended; !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.OffsetBytes != 5 {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestContentThatIsKnownIsDoneAtOnce(t *testing.T) {
	content := random(1000)
	f := start(t, nil)
	u := f.begin(len(content), "")
	if _, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 1000, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	known, err := f.Create(t.Context(), uploads.Start{Import: fleet.Import{Name: "other"}, Files: []fleet.UploadFile{{SizeBytes: 1000, SHA256: digest(content)}}})
	if err != nil || known.State != fleet.UploadDone || known.OffsetBytes != 1000 {
		t.Fatalf("%+v, %v", known, err)
	}
	took := f.sink.Took()[1]
	if took.Name != "other:latest" || took.Files[0].Path != "" || took.Files[0].SHA256 != digest(content) || took.Files[0].Name != "other-latest" {
		t.Errorf("taken as %+v", took)
	}
	f.wantLeft()
	_, err = f.Create(t.Context(), uploads.Start{Files: []fleet.UploadFile{{Name: "x", SizeBytes: 999, SHA256: digest(content)}}})
	wantKind(t, err, fault.Invalid)
}

func TestWhatIsRefusedBeforeAByteCame(t *testing.T) {
	f := start(t, func(o *uploads.Options) { o.MaxBytes = func() int64 { return 1000 } })
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		start uploads.Start
		want  fault.Kind
	}{
		"too large":              {uploads.Start{Files: one("f", 1001)}, fault.TooLarge},
		"no size":                {uploads.Start{Files: one("f", -1)}, fault.Invalid},
		"no name at all":         {uploads.Start{Files: one("", 1)}, fault.Invalid},
		"a long name":            {uploads.Start{Import: fleet.Import{Name: long}, Files: one("", 1)}, fault.Invalid},
		"a name with ..":         {uploads.Start{Import: fleet.Import{Name: "../../etc/passwd"}, Files: one("", 1)}, fault.Invalid},
		"a name with NUL":        {uploads.Start{Import: fleet.Import{Name: "a\x00b"}, Files: one("", 1)}, fault.Invalid},
		"a name in unicode":      {uploads.Start{Import: fleet.Import{Name: "löwe"}, Files: one("", 1)}, fault.Invalid},
		"a long filename":        {uploads.Start{Files: one(long, 1)}, fault.Invalid},
		"a filename with NUL":    {uploads.Start{Files: one("a\x00.gguf", 1)}, fault.Invalid},
		"a filename of dots":     {uploads.Start{Files: one("../..", 1)}, fault.Invalid},
		"a filename, not UTF-8":  {uploads.Start{Files: one("a\xff", 1)}, fault.Invalid},
		"no name in a filename":  {uploads.Start{Files: one("---", 1)}, fault.Invalid},
		"a description with ESC": {uploads.Start{Import: fleet.Import{Description: "\x1b[2J"}, Files: one("f", 1)}, fault.Invalid},
		"a storage that can't be": {
			uploads.Start{Import: fleet.Import{Storage: "../x"}, Files: one("f", 1)}, fault.Invalid,
		},
		"a storage that isn't there": {
			uploads.Start{Import: fleet.Import{Storage: "s3"}, Files: one("f", 1)}, fault.NotFound,
		},
		"a host without a name": {uploads.Start{Import: fleet.Import{Hosts: []string{""}}, Files: one("f", 1)}, fault.Invalid},
		"a quantisation":        {uploads.Start{Import: fleet.Import{Quantize: "q4; rm"}, Files: one("f", 1)}, fault.Invalid},
		"a digest":              {uploads.Start{Files: []fleet.UploadFile{{Name: "f", SHA256: "abc", SizeBytes: 1}}}, fault.Invalid},
	} {
		if _, err := f.Create(t.Context(), c.start); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	f.wantLeft()
	if u, err := f.Create(t.Context(), uploads.Start{Files: one("f", 0), Import: fleet.Import{Hosts: []string{}}}); err != nil || u.Hosts != nil {
		t.Errorf("no hosts are %v, %v", u.Hosts, err)
	}
	for filename, want := range map[string][2]string{
		"Llama-3.2-1B.Q4_K_M.gguf":      {"Llama-3.2-1B.Q4_K_M.gguf", "Llama-3.2-1B.Q4_K_M:latest"},
		"../../x/Löwe v2.gguf":          {"Löwe v2.gguf", "L-we-v2:latest"},
		`C:\models\tiny.gguf`:           {"tiny.gguf", "tiny:latest"},
		"noextension":                   {"noextension", "noextension:latest"},
		"model-00001-of-00002.gguf.tmp": {"model-00001-of-00002.gguf.tmp", "model-00001-of-00002.gguf:latest"},
	} {
		u, err := f.Create(t.Context(), uploads.Start{Files: one(filename, 1)})
		if err != nil || u.Files[0].Name != want[0] || u.Name != want[1] {
			t.Errorf("%s: %q %q, %v", filename, u.Files[0].Name, u.Name, err)
		}
	}
}

func TestADiskWithoutRoom(t *testing.T) {
	f := start(t, func(o *uploads.Options) { o.ReserveBytes = 1 << 60 })
	_, err := f.Create(t.Context(), uploads.Start{Files: one("f", 1)})
	wantKind(t, err, fault.NoSpace)
	_, _, err = f.Begin(t.Context(), "k", 1)
	wantKind(t, err, fault.NoSpace)
	f.wantLeft()
}

// A disk that is full in the middle ends the request, and the upload goes on when there
// is room again.
func TestADiskThatIsFull(t *testing.T) {
	content := random(500_000)
	f := start(t, nil)
	u := f.begin(len(content), digest(content))
	staged := filepath.Join(f.dir, "uploads", u.ID)
	if err := errors.Join(os.Remove(staged), os.Symlink("/dev/full", staged)); err != nil {
		t.Fatal(err)
	}
	stopped, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: u.SizeBytes, Body: bytes.NewReader(content)})
	wantKind(t, err, fault.NoSpace)
	if stopped.OffsetBytes != 0 || stopped.State != fleet.UploadReceiving {
		t.Errorf("%+v", stopped)
	}
	if err := errors.Join(os.Remove(staged), os.WriteFile(staged, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: -1, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	f.wantTaken(content)
}

func TestRemove(t *testing.T) {
	f := start(t, nil)
	u := f.begin(10, "")
	in := newLine()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Append(background(t), u.ID, uploads.Piece{SizeBytes: 10, Body: in, Break: in.cut})
		ended <- err
	}()
	if _, err := in.send.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, uploads.ErrTakenOver) {
		t.Error(err)
	}
	f.wantLeft()
	wantKind(t, f.Remove(t.Context(), u.ID), fault.NotFound)
	_, err := f.Look(t.Context(), u.ID)
	wantKind(t, err, fault.NotFound)
	if last := f.sink.Changes()[len(f.sink.Changes())-1]; last.Upload.State != fleet.UploadRemoved {
		t.Errorf("heard at last: %+v", last)
	}
}

// What the sink can't take now it takes later; what it never will is a failure.
func TestASinkThatRefuses(t *testing.T) {
	f := start(t, nil)
	f.sink.Refuse(fault.New(fault.Unavailable, "away"))
	u := f.begin(3, "")
	u, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 3, Body: strings.NewReader("abc")})
	wantKind(t, err, fault.Unavailable)
	if u.State != fleet.UploadReceived {
		t.Errorf("%+v", u)
	}
	f.wantLeft(u.ID)
	f.sink.Refuse(nil)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantTaken([]byte("abc"))

	f.sink.Refuse(fault.New(fault.Invalid, "no model"))
	u = f.begin(3, "")
	u, err = f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 3, Body: strings.NewReader("xyz")})
	wantKind(t, err, fault.Invalid)
	if u.State != fleet.UploadFailed || u.Problem != "no model" {
		t.Errorf("%+v", u)
	}
	f.wantLeft()
}

func TestUploadsExpire(t *testing.T) {
	f := start(t, nil)
	stale, fresh := f.begin(10, ""), f.begin(10, "")
	f.pass(20 * time.Hour)
	if _, err := f.Append(t.Context(), fresh.ID, uploads.Piece{SizeBytes: 1, Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	f.pass(4 * time.Hour)
	_, err := f.Look(t.Context(), stale.ID) // also before somebody has swept
	wantKind(t, err, fault.NotFound)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantLeft(fresh.ID)
	if u, err := f.Look(t.Context(), fresh.ID); err != nil || u.OffsetBytes != 1 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestLeftoversAreSweptAtTheStart(t *testing.T) {
	dir := t.TempDir()
	f := startIn(t, dir, nil)
	u := f.begin(10, "")
	gone := f.begin(10, "")
	if _, err := f.Append(t.Context(), gone.ID, uploads.Piece{SizeBytes: 4, Body: strings.NewReader("lost")}); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(dir, "uploads")
	for _, name := range []string{"u_nobody", "u_batch-0"} {
		if err := os.WriteFile(filepath.Join(staged, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(staged, gone.ID), 3); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	again := startIn(t, dir, nil)
	again.wantLeft(u.ID, gone.ID)
	if _, err := again.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: 10, Body: strings.NewReader("0123456789")}); err != nil {
		t.Fatal(err)
	}
	_, err := again.Append(t.Context(), gone.ID, uploads.Piece{OffsetBytes: 4, SizeBytes: 6, Body: strings.NewReader("456789")})
	if !errors.Is(err, uploads.ErrOver) {
		t.Error(err)
	}
	again.wantLeft()
}

func TestAnEmptyFile(t *testing.T) {
	f := start(t, nil)
	if u := f.begin(0, ""); u.State != fleet.UploadDone {
		t.Errorf("%+v", u)
	}
	f.wantTaken(nil)
}
