package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// leastPart is how large the parts of these tests are.
const leastPart = 64 << 10

// content returns so many bytes, the same each time for one seed.
func content(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// files are those of a repository, of more than one page.
func files() map[string][]byte {
	return map[string][]byte{
		"model.gguf": content(5*leastPart+17, 1), "quants/model-q4.gguf": content(1000, 2), "config.json": []byte("{}\n"), "empty.txt": nil, "odd name+%2F#ü.txt": []byte("odd"),
	}
}

func opened(t *testing.T, endpoint string, change func(*settings)) *hub {
	t.Helper()
	var s settings
	s.SetDefaults()
	s.Endpoint, s.PartSize, s.Transfers = endpoint, leastPart, 3
	if change != nil {
		change(&s)
	}
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*hub).Close() })
	return b.(*hub)
}

// knownAt returns files by their keys.
func knownAt(folder string, files map[string][]byte) storagetest.Known {
	known := storagetest.Known{}
	for path, text := range files {
		known[folder+path] = text
	}
	return known
}

func TestContract(t *testing.T) {
	server := servertest.Hub(t)
	commit := server.Publish("acme/tiny", files())
	server.Publish("acme/gated", files())
	server.Gate("acme/gated")
	server.Publish("acme/before", files())
	server.Rename("acme/before", "acme/after")
	for folder, token := range map[string]string{"acme/tiny/": "", "acme/tiny@main/": "", "acme/tiny@" + commit + "/": server.Token, "acme/gated/": server.Token, "acme/before/": server.Token} {
		t.Run(strings.ReplaceAll(folder, "/", " "), func(t *testing.T) {
			storagetest.RunKnown(t, knownAt(folder, files()), func(t *testing.T) storage.Backend {
				return opened(t, server.Endpoint, func(s *settings) { s.Token = config.NewSecret(token) })
			})
		})
	}
}

func tryRead(ctx context.Context, b storage.Backend, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

func listed(t *testing.T, b storage.Backend, prefix string) map[string]storage.Info {
	t.Helper()
	all := map[string]storage.Info{}
	for info, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all[info.Key] = info
	}
	return all
}

func TestLargeFilesAreKnownByTheirDigests(t *testing.T) {
	server := servertest.Hub(t)
	server.Publish("acme/tiny", files())
	all := listed(t, opened(t, server.Endpoint, nil), "acme/tiny/")
	if len(all) != len(files()) {
		t.Errorf("%v", all)
	}
	for path, text := range files() {
		want := ""
		if strings.HasSuffix(path, ".gguf") {
			want = sumOf(text)
		}
		if got := all["acme/tiny/"+path]; got.SHA256 != want || got.SizeBytes != int64(len(text)) || got.Version == "" {
			t.Errorf("%+v", got)
		}
	}
}

// The files of a model are of one commit, also where the branch moves while they are
// fetched; who lists it again gets the new one.
func TestABranchStaysUntilItIsListedAgain(t *testing.T) {
	server := servertest.Hub(t)
	old := map[string][]byte{"a.gguf": content(1000, 1), "b.gguf": content(1000, 2), "c.txt": []byte("old")}
	server.Publish("acme/tiny", old)
	b := opened(t, server.Endpoint, nil)
	listed(t, b, "acme/tiny@main/")
	fresh := map[string][]byte{"a.gguf": content(1000, 3), "b.gguf": content(1000, 4), "c.txt": []byte("new"), "d.gguf": nil}
	server.Publish("acme/tiny", fresh)
	for path, want := range old {
		if got, err := tryRead(t.Context(), b, "acme/tiny@main/"+path); err != nil || string(got) != string(want) {
			t.Errorf("%s: %d other bytes, %v", path, len(got), err)
		}
	}
	if _, err := b.Stat(t.Context(), "acme/tiny@main/d.gguf"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is of the new commit: %v", err)
	}
	if all := listed(t, b, "acme/tiny@main/"); len(all) != len(fresh) {
		t.Errorf("%v", all)
	}
	for path, want := range fresh {
		if got, err := tryRead(t.Context(), b, "acme/tiny@main/"+path); err != nil || string(got) != string(want) {
			t.Errorf("%s: %d other bytes, %v", path, len(got), err)
		}
	}
}

// behind returns a hub behind a proxy, which passes on where a listing goes on.
func behind(t *testing.T) (*hub, *faultproxy.Proxy, *servertest.HubServer) {
	t.Helper()
	server := servertest.Hub(t)
	server.Publish("acme/tiny", files())
	proxy := faultproxy.New(t, server.Endpoint)
	return opened(t, proxy.URL, func(s *settings) { s.Transfers = 1 }), proxy, server
}

// Parts are fetched where the hub has sent on to, which it is not asked for each of them;
// an address that is good no more is asked for again.
func TestAnAddressThatIsGoodNoMoreIsAskedForAgain(t *testing.T) {
	b, proxy, server := behind(t)
	want := files()["model.gguf"]
	in, err := b.Get(t.Context(), "acme/tiny/model.gguf", storage.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	first := make([]byte, leastPart+1)
	if _, err := io.ReadFull(in, first); err != nil {
		t.Fatal(err)
	}
	server.Expire()
	rest, err := io.ReadAll(in)
	if err != nil || sumOf(append(first, rest...)) != sumOf(want) {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
	resolved := 0
	for _, request := range proxy.Requests() {
		if strings.Contains(request, "/resolve/") {
			resolved++
		}
	}
	if resolved != 2 {
		t.Errorf("the hub was asked %d times where the file is", resolved)
	}
}

func TestAHubThatFailsNowAndThenIsAskedAgain(t *testing.T) {
	b, proxy, _ := behind(t)
	proxy.On(faultproxy.First(3, faultproxy.Method(http.MethodGet), faultproxy.Refuse(http.StatusServiceUnavailable, 0)))
	if got, err := tryRead(t.Context(), b, "acme/tiny/model.gguf"); err != nil || sumOf(got) != sumOf(files()["model.gguf"]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	proxy.On(faultproxy.Always(faultproxy.Method(http.MethodGet), faultproxy.Refuse(http.StatusTooManyRequests, 30)))
	if _, err := tryRead(t.Context(), b, "acme/tiny/config.json"); fault.KindOf(err) != fault.RateLimited || fault.RetryAfterOf(err) != 30*time.Second {
		t.Errorf("%v", err)
	}
}

func TestWrongBytesAreNotTakenForAFile(t *testing.T) {
	b, proxy, _ := behind(t)
	wrong := content(5*leastPart+17, 9)
	proxy.On(faultproxy.Always(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/resolve/") },
		func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(wrong)))
		}))
	if got, err := tryRead(t.Context(), b, "acme/tiny/model.gguf"); fault.KindOf(err) != fault.Corrupt || len(got) == len(wrong) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAddresses(t *testing.T) {
	server := servertest.Hub(t)
	server.Publish("acme/tiny", files())
	open, token := opened(t, server.Endpoint, nil), opened(t, server.Endpoint, func(s *settings) { s.Token = config.NewSecret(server.Token) })
	signed, err := token.PresignGet(t.Context(), "acme/tiny/model.gguf", time.Minute)
	if err != nil || strings.HasPrefix(signed.URL, server.Endpoint) || time.Until(signed.ExpiresAt) < 50*time.Minute {
		t.Errorf("%+v, %v", signed, err)
	}
	if _, err := token.PresignGet(t.Context(), "acme/tiny/config.json", time.Minute); fault.KindOf(err) != fault.NotImplemented {
		t.Errorf("a small file, with a token: %v", err)
	}
	if signed, err := open.PresignGet(t.Context(), "acme/tiny/config.json", time.Minute); err != nil || !strings.HasPrefix(signed.URL, server.Endpoint) || len(signed.Header) > 0 {
		t.Errorf("a small file that is everybody's: %+v, %v", signed, err)
	}
	if _, err := open.PresignGet(t.Context(), "acme/tiny/none", time.Minute); fault.KindOf(err) != fault.NotFound {
		t.Errorf("none: %v", err)
	}
}

func TestErrorsSayWhatIsToBeDone(t *testing.T) {
	server := servertest.Hub(t)
	server.Publish("acme/tiny", files())
	server.Publish("acme/gated", files())
	server.Gate("acme/gated")
	for name, c := range map[string]struct {
		token, key, words string
		kind              fault.Kind
	}{
		"no repository":     {"", "acme/none/a", "needs a token", fault.NotFound},
		"no revision":       {"", "acme/tiny@v1/a", "no such revision", fault.NotFound},
		"no such branch":    {"", "acme/tiny@refs%2Fpr%2F1/a", "no such revision", fault.NotFound},
		"no file":           {"", "acme/tiny/a", "there is no file", fault.NotFound},
		"gated":             {"", "acme/gated/model.gguf", "accept its terms", fault.Unauthenticated},
		"another token":     {"hf_another", "acme/tiny/model.gguf", "does not know token", fault.Unauthenticated},
		"no key at all":     {"", "acme/tiny", "org/repo@revision/path", fault.NotFound},
		"a name with dots":  {"", "acme/../tiny/x", "", fault.NotFound},
		"an empty revision": {"", "acme/tiny@/x", "", fault.NotFound},
	} {
		b := opened(t, server.Endpoint, func(s *settings) { s.Token = config.NewSecret(c.token) })
		if _, err := b.Stat(t.Context(), c.key); fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.words) {
			t.Errorf("%s: %v: %v", name, fault.KindOf(err), err)
		}
	}
	wrong := opened(t, server.Endpoint, func(s *settings) { s.Token = config.NewSecret("hf_another") })
	if err := wrong.Check(t.Context()); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("Check: %v", err)
	}
	if err := opened(t, "http://127.0.0.1:1", nil).Check(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Check: %v", err)
	}
}

func TestAHubIsNotListedAsAWhole(t *testing.T) {
	server := servertest.Hub(t)
	server.Publish("acme/tiny", files())
	b := opened(t, server.Endpoint, nil)
	for _, prefix := range []string{"", "acme", "acme/", "acme/tiny"} {
		for _, err := range b.List(t.Context(), prefix) {
			if fault.KindOf(err) != fault.NotImplemented || !strings.Contains(fault.MessageOf(err), "org/repo/") {
				t.Errorf("%q: %v", prefix, err)
			}
		}
	}
	page, err := storage.ListPage(t.Context(), b, storage.PageRequest{Prefix: "acme/tiny/", Folders: true, Limit: 10})
	if err != nil || !slices.Equal(page.Folders, []string{"acme/tiny/quants/"}) || len(page.Objects) != len(files())-1 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*settings){
		"no endpoint":    func(s *settings) { s.Endpoint = "" },
		"another scheme": func(s *settings) { s.Endpoint = "hf://x" },
		"a space":        func(s *settings) { s.Token = config.NewSecret(" x") },
		"no parts":       func(s *settings) { s.PartSize = 0 },
	} {
		var s settings
		s.SetDefaults()
		if err := config.Validate(&s, nil); err != nil {
			t.Fatal(err)
		}
		if change(&s); config.Validate(&s, nil) == nil {
			t.Errorf("%s will do", name)
		}
	}
}
