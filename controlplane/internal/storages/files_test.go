package storages_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

const words = "some words"

func upload(text string) storages.Upload {
	return storages.Upload{Content: strings.NewReader(text), SizeBytes: int64(len(text))}
}

func TestFilesComeAndGo(t *testing.T) {
	l := open(t, empty())
	for _, path := range []string{"a/1", "a/2", "b"} {
		f, err := l.Write(t.Context(), "", path, upload(words))
		if err != nil {
			t.Fatal(err)
		}
		if f.Path != path || f.Size != 10 || f.Storage != "default" || f.URL != "storage://default/"+path || f.Modified == "" || len(f.SHA256) != 64 {
			t.Errorf("%+v", f)
		}
	}
	top, err := l.Files(t.Context(), "default", storages.Query{Limit: 10})
	if err != nil || len(top.Files) != 2 || !top.Files[0].Folder || top.Files[0].Path != "a/" || top.Files[0].URL != "storage://default/a/" || top.Files[1].Path != "b" {
		t.Errorf("%+v, %v", top, err)
	}
	flat, err := l.Files(t.Context(), "default", storages.Query{Limit: 2, Flat: true})
	if err != nil || len(flat.Files) != 2 || flat.Cursor == "" {
		t.Fatalf("%+v, %v", flat, err)
	}
	rest, err := l.Files(t.Context(), "default", storages.Query{Limit: 2, Flat: true, Cursor: flat.Cursor})
	if err != nil || len(rest.Files) != 1 || rest.Cursor != "" {
		t.Errorf("%+v, %v", rest, err)
	}
	in, err := l.Read(t.Context(), "default", "b", storage.Range{OffsetBytes: 5, LengthBytes: 3})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(in); err != nil || string(text) != "wor" {
		t.Errorf("%q, %v", text, err)
	}
	for range 2 {
		if err := l.Delete(t.Context(), "default", "b"); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.File(t.Context(), "default", "b"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
}

func TestAnUploadIsStoredWholeOrNotAtAll(t *testing.T) {
	l := open(t, empty())
	first, err := l.Write(t.Context(), "", "k", upload(words))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the client has left")
	for name, c := range map[string]struct {
		upload storages.Upload
		want   func(error) bool
	}{
		"breaks off":     {storages.Upload{Content: io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), SizeBytes: -1}, func(err error) bool { return errors.Is(err, broken) }},
		"too short":      {storages.Upload{Content: strings.NewReader("x"), SizeBytes: 2}, func(err error) bool { return fault.KindOf(err) == fault.Invalid }},
		"another digest": {storages.Upload{Content: strings.NewReader("x"), SizeBytes: 1, SHA256: first.SHA256}, func(err error) bool { return fault.KindOf(err) == fault.Invalid && fault.SideOf(err) == fault.Caller }},
		"there already":  {storages.Upload{Content: strings.NewReader("x"), SizeBytes: 1, New: true}, func(err error) bool { return fault.KindOf(err) == fault.Conflict }},
	} {
		if _, err := l.Write(t.Context(), "", "k", c.upload); !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
		if f, err := l.File(t.Context(), "", "k"); err != nil || f.Size != 10 || f.Version != first.Version {
			t.Errorf("%s: then the file is %+v, %v", name, f, err)
		}
	}
	again := upload(words)
	again.SHA256 = strings.ToUpper(first.SHA256)
	if _, err := l.Write(t.Context(), "", "k", again); err != nil {
		t.Errorf("the right digest: %v", err)
	}
}

// twice is a storage whose plugin ends under each upload, once.
type twice struct {
	storages.Instance

	read []string
}

func (b *twice) Put(ctx context.Context, key string, src storage.Source) error {
	for range 2 {
		in, err := src.Open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		b.read = append(b.read, string(text[:2]))
	}
	return b.Instance.Put(ctx, key, src)
}

func TestASmallUploadCanBeSentAgain(t *testing.T) {
	l := open(t, empty())
	again := &twice{}
	l.plugins.wrap = func(i storages.Instance) storages.Instance { again.Instance = i; return again }
	if _, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Online); err != nil {
		t.Fatal(err)
	}
	if f, err := l.Write(t.Context(), "a", "k", upload(words)); err != nil || f.Size != 10 || len(again.read) != 2 {
		t.Errorf("%+v, %v, read as %q", f, err, again.read)
	}
	large := upload(strings.Repeat("x", 1<<20+1))
	if _, err := l.Write(t.Context(), "a", "large", large); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a large one: %v", err)
	}
}

func TestOnlyKeysReachABackend(t *testing.T) {
	l := open(t, empty())
	for _, path := range []string{"", "/a", "../../bin/sh", "a//b", "a\x00", ".corral/x", strings.Repeat("x/", 513)} {
		_, stat := l.File(t.Context(), "", path)
		_, read := l.Read(t.Context(), "", path, storage.Range{})
		_, write := l.Write(t.Context(), "", path, upload(words))
		for _, err := range []error{stat, read, write, l.Delete(t.Context(), "", path)} {
			if fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller {
				t.Errorf("%.20q: %v", path, err)
			}
		}
	}
	if _, err := l.Files(t.Context(), "nowhere", storages.Query{Limit: 1}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no storage: %v", err)
	}
}

func TestChangesOfStateAreTold(t *testing.T) {
	l := open(t, empty())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	at := l.plugins.latest(t, "default")
	at.become(storages.Ready, "")
	at.become(storages.Degraded, "the disk is away")
	await(t, func() bool { return len(l.events.After(0, 10)) == 1 })
	at.become(storages.Ready, "")
	await(t, func() bool { return len(l.events.After(0, 10)) == 2 })
	events := l.events.After(0, 10)
	if events[0].State != "degraded" || events[0].Message != "the disk is away" || events[0].Subject != "default" || events[1].State != "ready" {
		t.Errorf("%+v", events)
	}
	cancel()
	if err := <-ended; err != nil || !at.closed {
		t.Errorf("at its end: %v, closed %v", err, at.closed)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that")
		}
	}
}

// published is a storage that can only be read, of which no file has an address.
type published struct {
	storages.Instance
	storage.ReadOnly
}

func (p published) Put(ctx context.Context, key string, src storage.Source) error {
	return p.ReadOnly.Put(ctx, key, src)
}

func (p published) Delete(ctx context.Context, key string) error { return p.ReadOnly.Delete(ctx, key) }

// PresignGet implements [storage.Presigner].
func (published) PresignGet(context.Context, string, time.Duration) (storage.Presigned, error) {
	return storage.Presigned{}, fault.New(fault.NotImplemented, "it has none")
}

// neverRead fails the test where an upload is begun.
type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("bytes are asked for that nobody will have")
	return 0, io.EOF
}

func TestWhatCanOnlyBeReadIsSaidToBe(t *testing.T) {
	l := open(t, empty())
	l.plugins.wrap = func(i storages.Instance) storages.Instance { return published{Instance: i} }
	if _, err := l.Create(t.Context(), spec("hub", "mem", "{}"), storages.Offline); err != nil {
		t.Fatal(err)
	}
	only := map[string]bool{}
	for _, v := range l.Storages(t.Context()) {
		only[v.Name] = v.ReadOnly
	}
	if !only["hub"] || only["default"] {
		t.Errorf("%v", only)
	}
	_, write := l.Write(t.Context(), "hub", "a", storages.Upload{Content: neverRead{t}, SizeBytes: 1 << 40})
	_, keep := l.Keep(t.Context(), "hub", "a", "/nowhere", strings.Repeat("0", 64))
	for what, err := range map[string]error{"Write": write, "Keep": keep, "Delete": l.Delete(t.Context(), "hub", "a"), "Writable": l.Writable("hub")} {
		if fault.KindOf(err) != fault.NotImplemented || !strings.Contains(fault.MessageOf(err), "can only be read") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := l.Writable(""); err != nil {
		t.Errorf("the one that is meant where none is named: %v", err)
	}
	if err := l.Writable("nope"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("one that there isn't: %v", err)
	}
	if address, err := l.Presign(t.Context(), "hub", "a", time.Minute); address != "" || err != nil {
		t.Errorf("%q, %v", address, err)
	}
}
