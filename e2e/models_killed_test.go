package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const worker = "corral-modelworker"

// besiege starts a control plane and a host with an Ollama of its own.
func besiege(t *testing.T) (*besieged, *corraltest.Lab) {
	t.Helper()
	lab := corraltest.New(t)
	b := &besieged{controlplane: lab.ControlPlane(), models: lab.Folder("models")}
	b.agent = b.controlplane.Agent(corraltest.AgentOptions{Name: "one", Args: corraltest.ManagedOllama(ollamatest.Bin(t), b.models)})
	b.agent.AwaitServing(serveLimit)
	b.operator = b.controlplane.As(corraltest.Operator)
	awaitStorage(t, b.controlplane.API(), storageReady, "default", "ready")
	return b, lab
}

// plugin returns the process of a plugin, which has to run.
func (b *besieged) plugin(t *testing.T, kind, name string) (pid int) {
	t.Helper()
	corraltest.Await(t, storageReady, "the plugin "+name+" runs", func() error {
		list, err := b.controlplane.API().Plugins(t.Context())
		for _, p := range list {
			if p.Kind == kind && p.Name == name && p.PID > 1 {
				pid = p.PID
				return nil
			}
		}
		return fmt.Errorf("there are %+v, %w", list, err)
	})
	return pid
}

// remote adds a storage from which hosts fetch through the control plane.
func (b *besieged) remote(t *testing.T, lab *corraltest.Lab) {
	t.Helper()
	c := b.controlplane.API()
	corraltest.Await(t, storageReady, "the plugin runs", corraltest.Until(func() bool { return pluginProcess(t.Context(), c, "rclone") != 0 }))
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "remote", Plugin: "rclone", Config: asJSON(t, object{"type": "local", "root": lab.Folder("remote")})}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "remote", "ready")
}

// fetchRate has hosts fetch no more than so many bytes a second from now on; 0 is no limit.
func (b *besieged) fetchRate(t *testing.T, bytesPerSecond int) {
	t.Helper()
	if got := b.controlplane.As(corraltest.Admin).Post("/api/config", object{"models": object{"fetch_rate": bytesPerSecond}}); got.Status != 200 {
		t.Fatalf("the rate: %d %s", got.Status, got.Body)
	}
}

// stop has a process stand still, as one that is at it.
func stop(t *testing.T, pid int) {
	t.Helper()
	signal(t, pid, syscall.SIGSTOP)
}

// TestAModelOutlivesEveryKill kills what a model is just passing through: the control
// plane in each phase, the plugin of the storage and that of the loader, the worker, the
// Ollama and the agent. The model arrives, whole, and of the rest nothing is left.
func TestAModelOutlivesEveryKill(t *testing.T) {
	t.Parallel()
	b, lab := besiege(t)
	b.remote(t, lab)
	content := tiny(t, tinymodel.Options{FeedForward: 5000})
	upload := func(name, storage string) {
		t.Helper()
		if got := b.uploadFiles(t, map[string]string{"name": name, "storage": storage}, map[string][]byte{"mine.gguf": content}); got.Status != 200 {
			t.Fatalf("upload: %d %s", got.Status, got.Body)
		}
	}
	stored := func(name string) {
		t.Helper()
		awaitModel(t, b.operator, name, "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	}
	phase := func(kind, name, phase string) {
		t.Helper()
		b.awaitOperation(t, kind, name, "is "+phase, func(o operation) bool { return o.State == "running" && o.Phase == phase })
	}
	// The control plane, while a form comes, a file is stored, and a loader looks at it.
	half := b.halfAForm(t, "half", content)
	phase("upload", "half", "receiving")
	b.controlplane.Kill()
	half.Close()
	b.controlplane.Restart()
	t.Log("while it is stored")
	stop(t, b.plugin(t, "storage", "fs"))
	upload("first", "default")
	phase("store", "first", "storing")
	b.controlplane.Kill()
	b.controlplane.Restart()
	stored("first")
	t.Log("while it is inspected")
	stop(t, b.plugin(t, "loader", "gguf"))
	upload("second", "default") // whose file is there, so that it is not stored again
	phase("store", "second", "inspecting")
	b.controlplane.Kill()
	b.controlplane.Restart()
	stored("second")

	t.Log("plugins")
	// The plugins, at the same.
	content = tiny(t, tinymodel.Options{FeedForward: 5000, Seed: 1})
	pid := b.plugin(t, "storage", "rclone")
	stop(t, pid)
	upload("third", "remote")
	phase("store", "third", "storing")
	signal(t, pid, syscall.SIGKILL)
	stored("third")
	pid = b.plugin(t, "loader", "gguf")
	stop(t, pid)
	upload("fourth", "remote")
	phase("store", "fourth", "inspecting")
	signal(t, pid, syscall.SIGKILL)
	stored("fourth")

	t.Log("downloads")
	// Everything that a download passes through.
	b.fetchRate(t, 1<<20)
	download := func() {
		t.Helper()
		if got := b.operator.Post("/api/models/third/download", object{"hosts": []string{"one"}}); got.Status != 202 {
			t.Fatalf("download: %d %s", got.Status, got.Body)
		}
	}
	fetches := func() {
		t.Helper()
		phase("download", "third", "fetching")
		t.Log("it is fetched")
	}
	download()
	fetches()
	signal(t, b.plugin(t, "storage", "rclone"), syscall.SIGKILL) // the worker asks again
	fetches()
	signal(t, only(t, lab, worker), syscall.SIGKILL)
	b.awaitOperation(t, "download", "third", "waits to be tried again", func(o operation) bool { return o.State == "waiting" && o.Error != "" })
	fetches() // by itself
	signal(t, only(t, lab, serve), syscall.SIGKILL)
	b.awaitOperation(t, "download", "third", "waits to be tried again", func(o operation) bool { return o.State == "waiting" && o.Error != "" })
	b.agent.AwaitServing(serveLimit)
	download() // who asks again need not wait
	fetches()
	b.agent.Kill()
	b.agent.Restart()
	b.agent.AwaitServing(serveLimit)
	fetches()
	b.fetchRate(t, 0)
	b.controlplane.Kill()
	b.controlplane.Restart()
	awaitModel(t, b.operator, "third", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
	b.wantWhole(t, content)
	said := b.controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": "third", "message": "Who are you?"})
	if said.Status != 200 || !strings.Contains(said.Body, "Hello from Corral") {
		t.Errorf("chat: %d %s", said.Status, said.Body)
	}
	for _, name := range []string{"first", "second", "third", "fourth"} {
		b.purge(t, name)
	}
	b.wantNothingLeft(t)
}

// halfAForm begins to upload a model in a form, and returns the connection on which the
// rest would come.
func (b *besieged) halfAForm(t *testing.T, name string, content []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", b.controlplane.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST /api/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000000\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n%s\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.gguf\"\r\n\r\n%s",
		b.operator.Key, name, content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	return conn
}

// only returns the one process of a lab of this kind.
func only(t *testing.T, lab *corraltest.Lab, kind string) (pid int) {
	t.Helper()
	corraltest.Await(t, modelLimit, "there is one "+kind, func() error {
		pids := lab.Find(kind)
		if len(pids) != 1 {
			return fmt.Errorf("processes %v are", pids)
		}
		pid = pids[0]
		return nil
	})
	return pid
}

// wantWhole wants that the host has a file, by its digest.
func (b *besieged) wantWhole(t *testing.T, content []byte) {
	t.Helper()
	sum := sha256.Sum256(content)
	if has := digests(t, b.models); !slices.Contains(slices.Collect(maps.Values(has)), hex.EncodeToString(sum[:])) {
		t.Errorf("the host has not the file that was uploaded, but %v", has)
	}
}

// TestModelsOutliveKillsByChance kills by chance, always the same one, while a model is
// uploaded and brought to a host. CORRAL_MODEL_KILLS says how often, twice unless it is
// set; after four it is the next model's turn.
func TestModelsOutliveKillsByChance(t *testing.T) {
	t.Parallel()
	b, lab := besiege(t)
	b.remote(t, lab)
	b.fetchRate(t, 8<<20)
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's, the same each time
	uploader, err := client.New(b.controlplane.URL(), b.controlplane.Key(corraltest.Operator), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	victims := []string{"control plane", "agent", serve, worker, "corral-plugin-storage-rclone", "corral-plugin-loader-gguf"}
	const perModel = 4
	for round, kills := 0, number(t, "CORRAL_MODEL_KILLS", 2); kills > 0; round, kills = round+1, kills-perModel {
		content := tiny(t, tinymodel.Options{FeedForward: 5000, Seed: uint64(round)})
		name := fmt.Sprintf("round:%d", round)
		uploaded := make(chan error, 1)
		go func() {
			_, err := uploader.UploadModel(t.Context(), client.ModelUpload{
				Name: name, Storage: "remote", Hosts: []string{"one"}, Files: []client.UploadFile{{Name: "m.gguf", Content: bytes.NewReader(content), SizeBytes: int64(len(content))}},
			}, client.UploadOptions{})
			uploaded <- err
		}()
		for range min(kills, perModel) {
			<-time.After(time.Duration(chance.IntN(1500)) * time.Millisecond) // it is by chance where that hits
			victim := victims[chance.IntN(len(victims))]
			t.Logf("round %d: killed is the %s", round, victim)
			switch victim {
			case "control plane":
				b.controlplane.Kill()
				b.controlplane.Restart()
			case "agent":
				b.agent.Kill()
				b.agent.Restart()
			default:
				for _, pid := range lab.Find(victim) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
				}
			}
		}
		if err := <-uploaded; err != nil {
			t.Fatal(err)
		}
		awaitModel(t, b.operator, name, "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
		b.wantWhole(t, content)
		b.purge(t, name)
		b.wantNothingLeft(t)
	}
}
