package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/s3"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

// What was promised of a model that is in a storage: how long it takes until it is ready
// in an Ollama, of what `ollama create` takes for a file of the same machine, and how
// often it is on the disk for that.
const (
	maxSameDisk = 1.15
	maxHTTP     = 1.5
	maxCopies   = 1.01 // one, and what an Ollama needs to know of it
)

// The ways into an Ollama.
const (
	byCreate = iota
	bySameDisk
	byControlPlane
	byService
)

var wayNames = [...]string{"ollama create", "same file system", "HTTP, control plane", "HTTP, service"}

// Models of the catalogue, of the same content.
const (
	onDisk    = "modelbench-disk"
	onService = "modelbench-service"
)

// once is what one way cost once.
type once struct {
	seconds float64
	cpu     cpu
	copies  copies
	course  course
}

// copies is how often a model is on the disk: for as long as it came, afterwards, and
// afterwards without what is the storage's file by another name.
type copies struct{ peak, after, own float64 }

// ready is the scene of this part.
type ready struct {
	*scene

	file      string
	sizeBytes int64
	stored    string // the folder of the storage that has the file
	near, far *host  // far doesn't see the folder
	reference *ollama
}

func measureReady(ctx context.Context, st *stage.Stage, o options, progress io.Writer) (answer, error) {
	r, err := newReady(ctx, st, o)
	if err != nil {
		return answer{}, err
	}
	ways := []int{byCreate, bySameDisk, byControlPlane}
	if o.server != "" {
		ways = append(ways, byService)
	}
	var all [len(wayNames)][]once
	for round := range o.rounds {
		for i := range ways {
			way := ways[(i+round)%len(ways)]
			syscall.Sync() // what was written before is not written meanwhile
			one, err := r.measure(ctx, way)
			if err != nil {
				return answer{}, fmt.Errorf("%s: %w", wayNames[way], err)
			}
			fmt.Fprintf(progress, "%d: %s: %.2f s %s\n", round+1, wayNames[way], one.seconds, strings.Join(one.course.steps, ", "))
			all[way] = append(all[way], one)
		}
	}
	return r.answer(ways, all), nil
}

func newReady(ctx context.Context, st *stage.Stage, o options) (*ready, error) {
	s, err := newScene(ctx, st, o)
	if err != nil {
		return nil, err
	}
	r := &ready{scene: s, file: filepath.Join(s.dir, "model.gguf"), stored: filepath.Join(s.dir, "stored")}
	if r.sizeBytes, err = writeModel(r.file, o.fileMiB<<20); err != nil {
		return nil, err
	}
	if err := s.storage(ctx, "disk", "fs", map[string]string{"directory": r.stored}); err != nil {
		return nil, err
	}
	if err := s.store(ctx, onDisk, "disk", r.file); err != nil {
		return nil, err
	}
	if o.server != "" {
		service, err := s3.Start(ctx, o.server, filepath.Join(s.dir, "service"))
		if err != nil {
			return nil, err
		}
		st.Add(service.Stop)
		if err := s.storage(ctx, "service", "s3", service.Config()); err != nil {
			return nil, err
		}
		if err := s.store(ctx, onService, "service", r.file); err != nil {
			return nil, err
		}
	}
	if r.near, err = s.host(ctx, "near"); err != nil {
		return nil, err
	}
	if r.far, err = s.host(ctx, "far", without(r.stored)...); err != nil {
		return nil, err
	}
	r.reference, err = startOllama(ctx, st, o.ollama, filepath.Join(s.dir, "reference"))
	return r, err
}

// without returns what begins a command that is not to see a folder.
func without(folder string) []string {
	unshare := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	return append(unshare, "sh", "-c", `mount -t tmpfs none "$0" && exec "$@"`, folder)
}

// measure brings the model into an Ollama that has none, and takes it away again.
func (r *ready) measure(ctx context.Context, way int) (once, error) {
	model, h := onDisk, r.far
	switch way {
	case byCreate:
		return r.create(ctx)
	case bySameDisk:
		h = r.near
	case byService:
		model = onService
	}
	before, err := r.cpu(h)
	if err != nil {
		return once{}, err
	}
	var one once
	one.copies, err = r.counted([]string{h.models, h.dir}, func() error {
		one.course, err = r.bring(ctx, model, h)
		return err
	})
	if err != nil {
		return one, err
	}
	after, err := r.cpu(h)
	if err != nil {
		return one, err
	}
	one.seconds, one.cpu = one.course.took.Seconds(), after.less(before)
	return one, r.remove(ctx, model, h)
}

// create does what there is without Corral.
func (r *ready) create(ctx context.Context) (one once, err error) {
	before, err := cpuOf(r.reference.process.PID())
	if err != nil {
		return one, err
	}
	one.copies, err = r.counted([]string{r.reference.models}, func() error {
		took, client, err := r.reference.create(ctx, onDisk, r.file)
		one.seconds, one.cpu.agent = took.Seconds(), client
		return err
	})
	if err != nil {
		return one, err
	}
	after, err := cpuOf(r.reference.process.PID())
	one.cpu.ollama = after.ollama - before.ollama
	if err != nil {
		return one, err
	}
	return one, r.reference.remove(ctx, onDisk)
}

// counted counts how often the model is in folders while it is brought there.
func (r *ready) counted(folders []string, bring func() error) (copies, error) {
	watch := watchDisk(folders, nil)
	broken := bring()
	peak, after, err := watch.end()
	if broken != nil {
		return copies{}, broken
	}
	if err != nil {
		return copies{}, err
	}
	storages, err := inodes(r.stored)
	if err != nil {
		return copies{}, err
	}
	own, err := diskUse(folders, storages)
	of := func(bytes int64) float64 { return float64(bytes) / float64(r.sizeBytes) }
	return copies{of(peak), of(after), of(own)}, err
}

// answer puts the figures into words.
func (r *ready) answer(ways []int, all [len(wayNames)][]once) answer {
	a := answer{
		table: report.Table{Header: []string{
			fmt.Sprintf("%.0f MiB", float64(r.sizeBytes)/(1<<20)), "seconds", "of create", "CPU s of the control plane", "of the agent", "of Ollama", "copies, at most", "beside the storage's",
		}},
		notes: []string{
			"The reference is `ollama create` with a Modelfile that names the file; its command stands under the agent. Each time the Ollama has no model before.",
			"A model is ready when its operation is done: Ollama then lists it, and has been asked whether it understands it. Time begins with the request that asks for it.",
			"Copies are what the files of the Ollama and of its agent take of the disk, looked at every " + diskEvery.String() + ", of the model's size; the last column is without what is the storage's file by another name.",
			"By HTTP the host doesn't see the storage's folder. All processes share one machine, the service among them, whose CPU time is not counted.",
		},
	}
	worst := func(of []once, what func(once) float64) float64 {
		most := 0.0
		for _, one := range of {
			most = max(most, what(one))
		}
		return most
	}
	for _, way := range ways {
		name, of := wayNames[way], all[way]
		median := func(what func(once) float64) float64 {
			var list []float64
			for _, one := range of {
				list = append(list, what(one))
			}
			return middle(list)
		}
		var ratios []float64
		for i, one := range of {
			ratios = append(ratios, one.seconds/all[byCreate][i].seconds)
		}
		ratio, peak := middle(ratios), worst(of, func(o once) float64 { return o.copies.peak })
		row := []string{
			name, fmt.Sprintf("%.2f", median(func(o once) float64 { return o.seconds })), fmt.Sprintf("%.2f", ratio),
			fmt.Sprintf("%.1f", median(func(o once) float64 { return o.cpu.server.Seconds() })),
			fmt.Sprintf("%.1f", median(func(o once) float64 { return o.cpu.agent.Seconds() })),
			fmt.Sprintf("%.1f", median(func(o once) float64 { return o.cpu.ollama.Seconds() })),
			fmt.Sprintf("%.2f", peak), fmt.Sprintf("%.2f", worst(of, func(o once) float64 { return o.copies.own })),
		}
		a.table.Rows = append(a.table.Rows, row)
		if way == byCreate {
			continue
		}
		most := maxHTTP
		if way == bySameDisk {
			most = maxSameDisk
		}
		a.targets = append(a.targets,
			report.AtMost(name+", of create", "%.2f", most, ratio),
			report.AtMost(name+", copies on the disk", "%.2f", maxCopies, peak),
			report.AtMost(name+", progress that is not one", "%.0f", 0, worst(of, func(o once) float64 { return float64(o.course.wrong) })))
	}
	return a
}
