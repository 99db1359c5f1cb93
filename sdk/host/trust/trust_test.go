package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
)

// says is a program that says what plugin it is, and notes that it was run.
func says(t *testing.T, dir, file, description string) string {
	t.Helper()
	path := filepath.Join(dir, file)
	body := "#!/bin/sh\ntouch '" + filepath.Join(dir, "ran") + "'\n[ \"$1\" = describe ] || exit 9\ncat <<'END'\n" + description + "\nEND\n"
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return path
}

func TestTrustingAFile(t *testing.T) {
	dir := t.TempDir()
	lockPath := filepath.Join(dir, LockName)
	first := says(t, dir, "corral-plugin-x", `{"kind": "storage", "name": "x", "version": "1.0.0", "publisher": "P"}`)
	got, err := TrustFile(t.Context(), lockPath, first)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := host.Digest(first)
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{Kind: "storage", Name: "x", Version: "1.0.0", Publisher: "P", SHA256: map[string]string{Platform: sum}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The same version of another platform stays beside it, and what is built anew
	// takes its place.
	lock, err := ReadLock(lockPath)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("a", 64)
	lock.Plugins[0].SHA256["plan9/amd64"] = other
	if err := lock.Write(lockPath); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first, append([]byte("#!/bin/sh\n# built anew\n"), readFile(t, first)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := TrustFile(t.Context(), lockPath, first); err != nil {
		t.Fatal(err)
	}
	lock, err = ReadLock(lockPath)
	if err != nil || len(lock.Plugins) != 1 || lock.Plugins[0].SHA256["plan9/amd64"] != other || lock.Plugins[0].SHA256[Platform] == sum {
		t.Errorf("%+v, %v", lock, err)
	}
	if !lock.Forget(lock.Plugins[0].SHA256[Platform]) || len(lock.Plugins) != 0 || lock.Forget(sum) {
		t.Errorf("%+v", lock)
	}
	left, err := filepath.Glob(lockPath + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("%q are left, %v", left, err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestWhatIsNoPluginIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	lockPath := filepath.Join(dir, LockName)
	for file, description := range map[string]string{
		"no-json": "hello", "no-name": `{"kind": "storage"}`, "path": `{"kind": "storage", "name": "../../bin/sh", "version": "1"}`,
	} {
		if _, err := TrustFile(t.Context(), lockPath, says(t, dir, file, description)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", file, err)
		}
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := TrustFile(t.Context(), lockPath, plain); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := TrustFile(t.Context(), lockPath, filepath.Join(dir, "absent")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(lockPath); !os.IsNotExist(err) {
		t.Error("there is a lock")
	}
}

func TestDamagedLocksTrustNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, LockName)
	if lock, err := ReadLock(path); err != nil || len(lock.Plugins) != 0 {
		t.Errorf("an absent one: %+v, %v", lock, err)
	}
	for name, body := range map[string]string{
		"empty":         "",
		"cut off":       `{"plugins": [{"kind": "storage", "na`,
		"another thing": `[]`,
		"a path":        `{"plugins": [{"kind": "storage", "name": "../../bin/sh", "version": "1", "sha256": {}}]}`,
		"no digest":     `{"plugins": [{"kind": "storage", "name": "x", "version": "1", "sha256": {"linux/amd64": "abc"}}]}`,
		"too much":      strings.Repeat(" ", maxLockBytes+1),
	} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if lock, err := ReadLock(path); fault.KindOf(err) != fault.Corrupt || len(lock.Plugins) != 0 {
			t.Errorf("%s: %+v, %v", name, lock, err)
		}
	}
}

func TestScanningRefusesWhatIsUnfitAndRunsNothing(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	good := says(t, dir, "corral-plugin-good", "{}")
	twin := says(t, outside, "corral-plugin-elsewhere", "{}")
	says(t, dir, "corral-plugin-untrusted", `{"name": "untrusted"}`)
	says(t, dir, "corral-plugin-shim", "{}") // which is no plugin, and not found
	says(t, dir, "not-a-plugin", "{}")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink(twin, filepath.Join(dir, "corral-plugin-out")))
	must(os.Symlink("../../bin/sh", filepath.Join(dir, "corral-plugin-up")))
	must(os.Symlink(good, filepath.Join(dir, "corral-plugin-within")))
	must(os.Symlink("nowhere", filepath.Join(dir, "corral-plugin-nowhere")))
	must(os.Mkdir(filepath.Join(dir, "corral-plugin-folder"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "corral-plugin-x.tar.gz"), []byte("x"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "corral-plugin-\x1b[2J"), []byte("x"), 0o600))
	must(os.WriteFile(filepath.Join(dir, `corral-plugin-..\..\bin\sh`), []byte("x"), 0o600))
	open := says(t, dir, "corral-plugin-open", "{}")
	must(os.Chmod(open, 0o757)) //nolint:gosec // it is what is refused
	sum, err := host.Digest(good)
	must(err)
	must(Lock{Plugins: []Entry{{Kind: "storage", Name: "good", Version: "1", SHA256: map[string]string{Platform: sum}}}}.Write(filepath.Join(dir, LockName)))

	found, err := NewScanner([]string{dir}, filepath.Join(dir, LockName)).Scan()
	must(err)
	got := map[string]string{}
	for _, f := range found {
		is := f.Refused
		switch {
		case f.Trusted:
			is = "trusted as " + f.Entry.String()
		case f.Refused == "":
			is = "not trusted"
		}
		got[filepath.Base(f.Path)] = is
		if (f.SHA256 == "") != (f.Refused != "") {
			t.Errorf("%+v", f)
		}
	}
	for name, is := range got {
		if strings.HasPrefix(is, "it can't be read: ") {
			got[name] = "it can't be read"
		}
	}
	if diff := cmp.Diff(map[string]string{
		"corral-plugin-good": "trusted as storage/good 1", "corral-plugin-within": "trusted as storage/good 1",
		"corral-plugin-untrusted":    "not trusted",
		"corral-plugin-out":          "it is a link out of the directory",
		"corral-plugin-up":           "it can't be read", // from a temporary directory it leads nowhere
		"corral-plugin-nowhere":      "it can't be read",
		"corral-plugin-folder":       "it is not a file",
		"corral-plugin-x.tar.gz":     "it is not executable",
		"corral-plugin-open":         "others may write to it",
		"corral-plugin-\x1b[2J":      "its name has other characters than letters, digits and ._+-",
		`corral-plugin-..\..\bin\sh`: "its name has other characters than letters, digits and ._+-",
	}, got); diff != "" {
		t.Error(diff)
	}
	for _, d := range []string{dir, outside} {
		if _, err := os.Stat(filepath.Join(d, "ran")); !os.IsNotExist(err) {
			t.Error("something was run")
		}
	}
}

// A lock is of all directories, and the latest one's programs rank highest.
func TestSeveralDirectories(t *testing.T) {
	shipped, installed, data := t.TempDir(), t.TempDir(), t.TempDir()
	locks := []string{filepath.Join(shipped, LockName), filepath.Join(data, LockName)}
	trust := func(lock, path string) {
		t.Helper()
		if _, err := TrustFile(t.Context(), lock, path); err != nil {
			t.Fatal(err)
		}
	}
	const old, newer, other = `{"kind": "storage", "name": "x", "version": "1"}`, `{"kind": "storage", "name": "x", "version": "2"}`, `{"kind": "storage", "name": "y", "version": "1"}`
	trust(locks[0], says(t, shipped, "corral-plugin-x", newer))
	trust(locks[1], says(t, installed, "corral-plugin-x", old))
	trust(locks[1], says(t, shipped, "corral-plugin-y", other))
	says(t, installed, "corral-plugin-z", "{}")

	found, err := NewScanner([]string{shipped, filepath.Join(data, "absent"), installed}, locks...).Scan()
	if err != nil {
		t.Fatal(err)
	}
	type program struct {
		Path, Is string
		Rank     int
	}
	var got []program
	for _, f := range found {
		got = append(got, program{f.Path, f.Entry.String(), f.Rank})
	}
	if diff := cmp.Diff([]program{
		{filepath.Join(shipped, "corral-plugin-x"), "storage/x 2", 0},
		{filepath.Join(shipped, "corral-plugin-y"), "storage/y 1", 2},
		{filepath.Join(installed, "corral-plugin-x"), "storage/x 1", 1},
		{filepath.Join(installed, "corral-plugin-z"), "/ ", 0},
	}, got); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(filepath.Join(data, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err = NewScanner([]string{filepath.Join(data, "file"), shipped}, locks...).Scan()
	if fault.KindOf(err) != fault.Unavailable || len(found) != 2 {
		t.Errorf("beside one that can't be read: %+v, %v", found, err)
	}
}

func TestAFileIsReadAgainWhenItHasChanged(t *testing.T) {
	dir := t.TempDir()
	path := says(t, dir, "corral-plugin-x", "{}")
	s := NewScanner([]string{dir})
	scan := func() string {
		t.Helper()
		found, err := s.Scan()
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		return found[0].SHA256
	}
	first := scan()
	if again := scan(); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// As long as before, and as old.
	body := readFile(t, path)
	body[len(body)-2]++
	if err := os.WriteFile(path+".new", body, 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	if err := os.Chtimes(path+".new", info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if scan() == first {
		t.Error("it was not read again")
	}
	if found, err := NewScanner([]string{filepath.Join(dir, "absent")}).Scan(); err != nil || len(found) != 0 {
		t.Errorf("no directory: %v, %v", found, err)
	}
}
