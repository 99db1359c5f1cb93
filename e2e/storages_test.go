package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// storageReady is how long the plugin of a storage may take to serve.
const storageReady = 30 * time.Second

// healthSeen is how late the health of a storage may be seen.
const healthSeen = 10 * time.Second

func awaitStorage(t *testing.T, c *client.Client, limit time.Duration, name, status string) time.Duration {
	t.Helper()
	return corraltest.Await(t, limit, "storage "+name+" is "+status, func() error {
		s, err := c.Storage(t.Context(), name)
		if err == nil && s.Status != status {
			err = fmt.Errorf("it is %s: %s", s.Status, s.Message)
		}
		return err
	})
}

// pluginProcess returns the id of a storage plugin's process, 0 for none.
func pluginProcess(ctx context.Context, c *client.Client, name string) int {
	list, err := c.Plugins(ctx)
	for _, p := range list {
		if err == nil && p.Kind == "storage" && p.Name == name && p.PID > 1 {
			return p.PID
		}
	}
	return 0
}

func storeFile(t *testing.T, c *client.Client, storage, path string, content []byte) client.File {
	t.Helper()
	f, err := c.Upload(t.Context(), storage, path, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("upload %s: %v", path, err)
	}
	if sum := sha256.Sum256(content); f.SHA256 != hex.EncodeToString(sum[:]) || f.Size != int64(len(content)) {
		t.Errorf("upload %s: %+v", path, f)
	}
	return f
}

// TestTheDefaultStorage browses, uploads, downloads and deletes where nobody has
// configured anything, also while the plugin is killed, and after a restart.
func TestTheDefaultStorage(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c := controlplane.API()
	awaitStorage(t, c, storageReady, "default", "ready")
	content := make([]byte, 3<<20+7)
	rand.Read(content)
	storeFile(t, c, "default", "models/a b.gguf", content)
	storeFile(t, c, "default", "top", []byte("x"))
	top, err := c.Files(t.Context(), "default", client.FileQuery{})
	if err != nil || len(top.Files) != 2 || !top.Files[0].Folder || top.Files[0].Path != "models/" || top.Files[1].Path != "top" {
		t.Errorf("browsing shows %+v, %v", top, err)
	}
	caller := controlplane.As(corraltest.Viewer)
	const path = "/api/storage/default/file?path=models/a%20b.gguf"
	whole := caller.Get(path)
	if whole.Status != 200 || whole.Body != string(content) {
		t.Errorf("%d with %d bytes", whole.Status, len(whole.Body))
	}
	part := caller.Do("GET", path, nil, "Range", "bytes=1048576-3145734", "If-Range", whole.Header.Get("ETag"))
	if part.Status != 206 || part.Body != string(content[1048576:3145735]) || part.Header.Get("Content-Range") != "bytes 1048576-3145734/3145735" {
		t.Errorf("%d with %d bytes, %s", part.Status, len(part.Body), part.Header.Get("Content-Range"))
	}
	if beyond := caller.Do("GET", path, nil, "Range", "bytes=3145735-"); beyond.Status != 416 {
		t.Errorf("beyond its end: %d", beyond.Status)
	}
	if denied := caller.Do("PUT", path, "x"); denied.Status != 403 {
		t.Errorf("a viewer stores a file: %d", denied.Status)
	}

	if err := syscall.Kill(pluginProcess(t.Context(), c, "fs"), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	storeFile(t, c, "default", "after", []byte("the plugin was killed"))
	controlplane.Stop()
	controlplane.Restart()
	awaitStorage(t, c, storageReady, "default", "ready")
	in, err := c.Download(t.Context(), "default", "after")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if text, err := io.ReadAll(in); err != nil || string(text) != "the plugin was killed" {
		t.Errorf("%q, %v", text, err)
	}
	if err := c.DeleteFile(t.Context(), "default", "after"); err != nil {
		t.Error(err)
	}
	if _, err := c.Download(t.Context(), "default", "after"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
	for _, key := range []string{"../../bin/sh", "/etc/passwd", "a\x01", strings.Repeat("x", 1025)} {
		if _, err := c.Upload(t.Context(), "default", key, strings.NewReader("x"), 1); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.20q: %v", key, err)
		}
	}
}

// TestAStorageThatGoesAwayIsSeen takes a storage's directory away and gives it back.
func TestAStorageThatGoesAwayIsSeen(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c := controlplane.API()
	awaitStorage(t, c, storageReady, "default", "ready")
	folder := lab.Folder("archive")
	config := fmt.Sprintf(`{"directory": %q}`, folder)
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "archive", Plugin: "fs", Config: []byte(config)}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "archive", "ready")
	if err := os.Rename(folder, folder+"-gone"); err != nil {
		t.Fatal(err)
	}
	away := awaitStorage(t, c, healthSeen, "archive", "degraded")
	if err := os.Rename(folder+"-gone", folder); err != nil {
		t.Fatal(err)
	}
	back := awaitStorage(t, c, healthSeen, "archive", "ready")
	t.Logf("away was seen after %v, back after %v", away, back)
	var events []struct{ Type, Subject, State string }
	corraltest.Await(t, healthSeen, "both are told as events", func() error {
		controlplane.As(corraltest.Viewer).Get("/api/events").JSON(&events)
		var states []string
		for _, e := range events {
			if e.Type == "storage_state" && e.Subject == "archive" {
				states = append(states, e.State)
			}
		}
		if got := strings.Join(states, " "); got != "degraded ready" {
			return fmt.Errorf("the states are %q", got)
		}
		return nil
	})
	if _, err := c.RemoveStorage(t.Context(), "archive"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Errorf("its files are gone: %v", err)
	}
}

// TestPluginsAreRunOnlyWhenTrusted has a plugin that nobody trusts, which harms
// nothing, and trusts it.
func TestPluginsAreRunOnlyWhenTrusted(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	dir := lab.Folder("plugins")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(corraltest.Bin(t, "corral-plugin-storage-fs"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "corral-plugin-storage-fs")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	controlplane := lab.ControlPlane("--plugin-dir", dir)
	c := controlplane.API()
	corraltest.Await(t, storageReady, "the plugin is found", func() error {
		list, err := c.Plugins(t.Context())
		for _, p := range list {
			if p.File == file && p.State == "disabled" && !p.Trusted && strings.Contains(p.Trust, file) {
				return nil
			}
		}
		return fmt.Errorf("the plugins are %+v, %w", list, err)
	})
	if status, err := c.Status(t.Context()); err != nil || status.Status != "ok" {
		t.Errorf("the status is %+v, %v", status, err)
	}
	out := corraltest.Output(t, corraltest.Bin(t, "corral-controlplane"), "plugin", "trust", file, "--data-dir", controlplane.DataDir)
	if !strings.Contains(out, "storage/fs") {
		t.Errorf("it says %q", out)
	}
	awaitStorage(t, c, storageReady, "default", "ready")
}

// TestAPluginIsInstalledAndApproved uploads a plugin, which is run only when somebody
// has approved it, and removes it again.
func TestAPluginIsInstalledAndApproved(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	dir := lab.Folder("plugins")
	if err := os.Mkdir(dir, 0o555); err != nil { // what came with the program
		t.Fatal(err)
	}
	program, err := os.ReadFile(corraltest.Bin(t, "corral-plugin-storage-fs"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(program)
	sum := hex.EncodeToString(digest[:])
	controlplane := lab.ControlPlane("--plugin-dir", dir)
	c, admin := controlplane.API(), controlplane.As(corraltest.Admin)
	for _, refused := range []struct {
		answer corraltest.Answer
		status int
	}{
		{admin.Do("POST", "/api/plugins?sha256="+strings.Repeat("0", 64), string(program)), 400},
		{admin.Do("POST", "/api/plugins?sha256=../../bin/sh", string(program)), 400},
		{admin.Post("/api/plugins/"+sum+"/approve", ""), 404},
		{controlplane.As(corraltest.Operator).Do("POST", "/api/plugins?sha256="+sum, string(program)), 403},
	} {
		if refused.answer.Status != refused.status {
			t.Errorf("%d %s, want %d", refused.answer.Status, refused.answer.Body, refused.status)
		}
	}
	plugins := filepath.Join(controlplane.DataDir, "plugins")
	if left, err := os.ReadDir(plugins); err != nil || len(left) != 0 {
		t.Errorf("what was refused has left %v, %v", left, err)
	}
	if installed := admin.Do("POST", "/api/plugins?sha256="+sum, string(program)); installed.Status != 201 {
		t.Fatalf("%d %s", installed.Status, installed.Body)
	}
	corraltest.Await(t, storageReady, "it is there and not trusted", func() error {
		list, err := c.Plugins(t.Context())
		for _, p := range list {
			if p.SHA256 == sum && !p.Trusted && p.State == "disabled" && filepath.Dir(p.File) == plugins {
				return nil
			}
		}
		return fmt.Errorf("the plugins are %+v, %w", list, err)
	})
	if approved := admin.Post("/api/plugins/"+sum+"/approve", ""); approved.Status != 200 || !strings.Contains(approved.Body, `"name":"fs"`) {
		t.Fatalf("%d %s", approved.Status, approved.Body)
	}
	awaitStorage(t, c, storageReady, "default", "ready")
	if removed := admin.Do("DELETE", "/api/plugins/"+sum, nil); removed.Status != 204 {
		t.Errorf("%d %s", removed.Status, removed.Body)
	}
	awaitStorage(t, c, storageReady, "default", "disabled")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("beside the program are %v, %v", left, err)
	}
}
