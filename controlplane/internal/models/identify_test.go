package models

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// What a split model's files are put together to: bytes of the recipe, and each file
// without its first two bytes.
const joined = "HEAD" + "one" + "three"

// splitParcel is a model in three files, of which the second has nothing for it.
func (b *bench) splitParcel() Parcel {
	p := b.parcel("split", "split-1.gguf", "xxone")
	for _, f := range [][2]string{{"split-2.gguf", "xx"}, {"split-3.gguf", "xxthree"}} {
		p.Files = append(p.Files, b.parcel("", f[0], f[1]).Files...)
	}
	return p
}

func (b *bench) infoOf(model string) loader.Info {
	b.t.Helper()
	m, err := b.Stored(model)
	if err != nil {
		b.t.Fatal(err)
	}
	var info loader.Info
	if err := json.Unmarshal(m.Info, &info); err != nil {
		b.t.Fatal(err)
	}
	return info
}

// What is put together of several files has its digest once it is stored, wherever the
// files are, and hosts are told it.
func TestTheDigestOfASplitModelIsFoundOutOnce(t *testing.T) {
	for name, put := range map[string]func(b *bench, p *Parcel){
		"of files that have arrived": func(*bench, *Parcel) {},
		"of files that the storage took over": func(b *bench, p *Parcel) {
			local := map[string]string{} // by its key
			for _, f := range p.Files {
				content, err := os.ReadFile(f.Local)
				if err != nil {
					b.t.Fatal(err)
				}
				local[keyOf("split", f)] = f.Local
				b.shelf.contents["default/"+keyOf("split", f)] = string(content)
			}
			b.shelf.onTouch(func(key string) error { return os.Remove(local[key]) })
		},
		"of files in a storage": func(b *bench, p *Parcel) {
			for i := range p.Files {
				f := &p.Files[i]
				content, err := os.ReadFile(f.Local)
				if err != nil {
					b.t.Fatal(err)
				}
				b.shelf.contents["bucket/"+f.Path] = string(content)
				f.Stored, f.Local = &fleet.ModelFile{Storage: "bucket", Key: f.Path, SizeBytes: f.SizeBytes, SHA256: f.SHA256}, ""
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			hosts := newHosts("a", "b")
			peering(hosts, "a", "b")
			var orders []work.Job
			hosts.work = func(_ fleet.Target, job work.Job) error {
				if job.Kind == work.Load {
					orders = append(orders, job)
				}
				return nil
			}
			b := newBench(t, newShelf(), hosts)
			p := b.splitParcel()
			put(b, &p)
			if err := b.Take(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			sum := digestOf([]byte(joined))
			if got := b.infoOf("split").Layers[0].SHA256; got != sum {
				t.Errorf("its digest is %q, want that of %q", got, joined)
			}
			stored := b.ops.List()[0]
			if want := p.Files[0].SizeBytes + p.Files[1].SizeBytes + p.Files[2].SizeBytes; stored.TotalBytes != want || stored.DoneBytes != want {
				t.Errorf("%d of %d bytes are done, want %d", stored.DoneBytes, stored.TotalBytes, want)
			}
			b.want("split", "a")
			b.awaitOn("split", "a")
			b.want("split", "b")
			b.awaitOn("split", "a", "b")
			if len(orders) != 2 || orders[1].Recipe.Layers[0].SHA256 != sum {
				t.Fatalf("hosts are told %+v", orders)
			}
			if from := orders[1].Peers[sum]; len(from) != 1 || !strings.Contains(from[0].URL, "a:11437") {
				t.Errorf("the second gets it from %+v", from)
			}
			if len(orders[0].Peers) != 0 {
				t.Errorf("the first gets it from %+v", orders[0].Peers)
			}
		})
	}
}

func TestAFileThatIsGoneWhenItsModelIsPutTogether(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	p := b.splitParcel()
	for i := range p.Files {
		f := &p.Files[i]
		b.shelf.contents["bucket/"+f.Path] = strings.Repeat("x", int(f.SizeBytes))
		f.Stored, f.Local = &fleet.ModelFile{Storage: "bucket", Key: f.Path, SizeBytes: f.SizeBytes, SHA256: f.SHA256}, ""
	}
	delete(b.shelf.contents, "bucket/split-3.gguf")
	if err := b.Take(t.Context(), p); fault.KindOf(err) != fault.NotFound {
		t.Errorf("error %v", err)
	}
	if m := b.model("split"); m.Status != fleet.ModelFailed {
		t.Errorf("it is %+v", m)
	}
}
