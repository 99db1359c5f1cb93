package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// kin are hosts that get models from each other, and else from a bucket. What goes over
// each line is counted.
type kin struct {
	*besieged

	lab   *corraltest.Lab
	line  *meter // of the bucket
	hosts map[string]*relative
}

// relative is one of them.
type relative struct {
	*corraltest.Agent

	line   *meter // by which the others reach it
	models string // the folder of its Ollama
}

func newKin(t *testing.T, names ...string) *kin {
	t.Helper()
	s3 := servertest.S3(t)
	line := newMeter(t, strings.TrimPrefix(s3.Endpoint, "http://"))
	s3.Endpoint = "http://" + line.address
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	k := &kin{
		besieged: &besieged{controlplane: controlplane, operator: controlplane.As(corraltest.Operator)},
		lab:      lab, line: line, hosts: map[string]*relative{},
	}
	for _, name := range names {
		r := &relative{line: newMeter(t, ""), models: lab.Folder("models-" + name)}
		r.Agent = controlplane.Agent(corraltest.AgentOptions{
			Name: name, Args: append(corraltest.ManagedOllama(ollamatest.Bin(t), r.models), "--peer-listen", "127.0.0.1:0", "--peer-address", r.line.address),
		})
		k.hosts[name] = r
	}
	for _, r := range k.hosts {
		r.await()
	}
	bucket(t, controlplane.API(), s3)
	return k
}

// await waits until a host serves, its own and the others.
func (r *relative) await() {
	r.line.server.Store(r.AwaitLog(serveLimit, `other hosts may get models from here: listen=(\S+)`))
	r.AwaitServing(serveLimit)
}

// store stores a model, of which there is one for each seed.
func (k *kin) store(t *testing.T, name string, seed uint64) (content []byte) {
	t.Helper()
	content = tiny(t, tinymodel.Options{FeedForward: 5000, Seed: seed})
	upload := client.ModelUpload{
		Name: name, Storage: "bucket", Files: []client.UploadFile{{Name: "m.gguf", Content: bytes.NewReader(content), SizeBytes: int64(len(content))}},
	}
	if _, err := k.controlplane.API().UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitModel(t, k.operator, name, "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	return content
}

// bring has hosts get a model, and returns when all are in the middle of it.
func (k *kin) bring(t *testing.T, name string, content []byte, hosts ...string) {
	t.Helper()
	if got := k.operator.Post("/api/models/"+name+"/download", object{"hosts": hosts}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	for _, host := range hosts {
		corraltest.Await(t, modelLimit, host+" is fetching", func() error { return fetching(k.operator, host, int64(len(content))) })
	}
}

// arrives waits until hosts have a model, which nobody is offered on another one, and
// wants it to be whole there, without anything half beside it.
func (k *kin) arrives(t *testing.T, name string, content []byte, hosts ...string) {
	t.Helper()
	awaitModel(t, k.operator, name, "is on the hosts", func(m catalogued) bool {
		for _, host := range on(m) {
			if !k.whole(t, host, content) {
				t.Errorf("%s is offered on %s, which has of it %v", name, host, blobsOf(t, k.hosts[host].models))
			}
		}
		return m.Progress == nil && !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(on(m), h) })
	})
	for _, host := range hosts {
		for _, blob := range blobsOf(t, k.hosts[host].models) {
			if strings.Contains(blob, "partial") {
				t.Errorf("left on %s is %s", host, blob)
			}
		}
	}
}

// whole reports whether a host has a file, by the name of its blob.
func (k *kin) whole(t *testing.T, host string, content []byte) bool {
	t.Helper()
	sum := sha256.Sum256(content)
	return slices.Contains(blobsOf(t, k.hosts[host].models), hex.EncodeToString(sum[:]))
}

// sent returns the bytes that went over all lines so far.
func (k *kin) sent() int64 {
	n := k.line.sent.Load()
	for _, r := range k.hosts {
		n += r.line.sent.Load()
	}
	return n
}

// slack is what a line takes beside a model's bytes: heads, TLS, what is asked of the
// bucket, and what was on its way when something ended.
const slack = 1 << 20

// wantSent wants so many bytes to have gone over all lines since then, and at most so many
// of them again, of a piece that broke.
func (k *kin) wantSent(t *testing.T, what string, since, bytes, again int64) {
	t.Helper()
	if sent := k.sent() - since; sent < bytes || sent > bytes+again+slack {
		t.Errorf("%s: %d bytes were sent, want %d and at most %d again", what, sent, bytes, again)
	}
}

// TestAHostOutlivesTheOneThatItReadsFrom has hosts get a model from one that ends in the
// middle of it, in each way: all get the model, and no byte twice that was there.
func TestAHostOutlivesTheOneThatItReadsFrom(t *testing.T) {
	t.Parallel()
	k := newKin(t, "a", "b", "c")
	a, b := k.hosts["a"], k.hosts["b"]
	first := k.store(t, "first", 1)
	size := int64(len(first))

	t.Log("one that has it is drained, and killed")
	k.bring(t, "first", first, "a")
	k.arrives(t, "first", first, "a")
	k.fetchRate(t, 8<<20)
	before, stored := k.sent(), k.line.sent.Load()
	k.bring(t, "first", first, "b", "c")
	if got := k.operator.Post("/api/hosts/a/drain", nil); got.Status != 200 {
		t.Fatalf("drain: %d %s", got.Status, got.Body)
	}
	drained := a.line.sent.Load()
	corraltest.Await(t, modelLimit, "who reads from a host that is drained goes on", corraltest.Until(func() bool { return a.line.sent.Load() > drained+size/10 }))
	if sent := k.line.sent.Load() - stored; sent > slack {
		t.Errorf("%d bytes were read of the bucket when a host had them", sent)
	}
	a.Kill()
	k.arrives(t, "first", first, "b", "c")
	a.Restart()
	a.await()
	k.arrives(t, "first", first, "a", "b", "c")
	k.wantSent(t, "two hosts whose source was killed", before, 2*size, 0)

	t.Log("one that is getting it is killed")
	second := k.store(t, "second", 2)
	before, stored = k.sent(), k.line.sent.Load()
	k.bring(t, "second", second, "b")
	k.bring(t, "second", second, "c")
	b.Kill()
	lost := k.line.sent.Load() - stored // with its Ollama, which notes whole parts; this is one
	if lost > size+slack {
		t.Errorf("%d bytes were read of the bucket when one host reads there", lost)
	}
	b.Restart()
	b.await()
	k.arrives(t, "second", second, "b", "c")
	k.wantSent(t, "one host that was killed, and one that read from it", before, 2*size, lost)

	t.Log("one that is getting it is removed")
	third := k.store(t, "third", 3)
	before, stored = k.sent(), k.line.sent.Load()
	k.bring(t, "third", third, "b")
	k.bring(t, "third", third, "c")
	if got := k.operator.Do("DELETE", "/api/hosts/b", nil); got.Status != 200 {
		t.Fatalf("remove: %d %s", got.Status, got.Body)
	}
	lost = k.line.sent.Load() - stored
	b.AwaitLog(modelLimit, "the ticket is good no longer")
	k.arrives(t, "third", third, "c")
	k.wantSent(t, "one host that read from one that was removed", before, size, lost)
	if k.whole(t, "b", third) {
		t.Error("the host that was removed has got it")
	}
}

// TestHostsThatReadFromEachOtherOutliveKillsByChance kills by chance, always the same one,
// while a model is brought to three hosts. CORRAL_PARENT_KILLS says how often, once unless
// it is set; after two it is the next model's turn.
func TestHostsThatReadFromEachOtherOutliveKillsByChance(t *testing.T) {
	t.Parallel()
	k := newKin(t, "a", "b", "c")
	k.fetchRate(t, 8<<20)
	names := []string{"a", "b", "c"}
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's, the same each time
	victims := []string{serve, worker, "agent", "control plane"}
	const perModel = 2
	for round, left := 0, number(t, "CORRAL_PARENT_KILLS", 1); left > 0; round, left = round+1, left-perModel {
		name, kills := fmt.Sprintf("round:%d", round), min(left, perModel)
		content := k.store(t, name, uint64(round))
		before := k.sent()
		k.bring(t, name, content, names...)
		for range kills {
			victim := victims[chance.IntN(len(victims))]
			t.Logf("round %d: killed is the %s", round, victim)
			switch victim {
			case "control plane":
				k.controlplane.Kill()
				k.controlplane.Restart()
			case "agent":
				r := k.hosts[names[chance.IntN(len(names))]]
				r.Kill()
				r.Restart()
				r.await()
			default:
				if pids := k.lab.Find(victim); len(pids) > 0 { // it may have ended
					slices.Sort(pids)
					_ = syscall.Kill(pids[chance.IntN(len(pids))], syscall.SIGKILL)
				}
			}
			<-time.After(time.Duration(chance.IntN(1000)) * time.Millisecond) // it is by chance where the next one hits
		}
		k.arrives(t, name, content, names...)
		k.wantSent(t, "three hosts", before, int64(len(names)*len(content)), int64(kills*len(content)))
		k.purge(t, name)
		awaitModel(t, k.operator, name, "is gone", func(m catalogued) bool { return m.Status == "" })
		for host, r := range k.hosts {
			if left := blobsOf(t, r.models); len(left) > 0 {
				t.Errorf("left on %s: %v", host, left)
			}
		}
	}
}
