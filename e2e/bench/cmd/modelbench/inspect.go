package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// What was promised of a look at a model of 40 GB in a storage.
const (
	maxInspectSeconds = 2
	maxInspectMB      = 64
)

// inspectLimit is how long a look may take, and inspectEvery how often is looked whether
// it is over.
const (
	inspectLimit = time.Minute
	inspectEvery = 2 * time.Millisecond
)

// large is a model in a storage, whose files are as long as they say and hold nothing
// behind their headers.
type large struct {
	name  string
	files []*gguftest.File
}

// larges returns the models that are looked at.
func larges() []large {
	const split = 100
	return []large{
		{"one file", []*gguftest.File{seventy(128 << 10)}},
		{fmt.Sprintf("%d files", split), splitUp(seventy(128<<10), split)},
		{"a vocabulary of 256 Ki", []*gguftest.File{seventy(256 << 10)}},
	}
}

// seventy is a model of seventy billion parameters, with so many tokens.
func seventy(tokens int) *gguftest.File {
	f := gguftest.Decoder{
		Architecture: "llama", Name: "modelbench", ContextTokens: 131072, Layers: 80, EmbeddingLength: 8192,
		Heads: 64, KVHeads: 8, HeadLength: 128, FeedForward: 28672, Vocabulary: uint64(tokens),
	}.File()
	texts, kinds, merges := make([]string, tokens), make([]int32, tokens), make([]string, 2*tokens)
	for i := range texts {
		texts[i], kinds[i] = "token"+strconv.Itoa(i), 1
	}
	for i := range merges {
		merges[i] = "mer " + strconv.Itoa(i)
	}
	return f.Set("tokenizer.ggml.tokens", texts).Set("tokenizer.ggml.token_type", kinds).Set("tokenizer.ggml.merges", merges)
}

// splitUp makes so many files of one, as llama.cpp does: the first has all that is said of
// the model, and each has a run of its tensors.
func splitUp(whole *gguftest.File, count int) []*gguftest.File {
	tensors := whole.Read().Tensors
	files := make([]*gguftest.File, count)
	for i := range files {
		f := gguftest.New("")
		if i == 0 {
			f = whole.WithoutTensors()
		}
		f.Set("split.no", uint16(i)).Set("split.count", uint16(count)).Set("split.tensors.count", int32(len(tensors)))
		for _, t := range tensors[i*len(tensors)/count : (i+1)*len(tensors)/count] {
			f.Tensor(t.Name, t.Type, t.Shape...)
		}
		files[i] = f
	}
	return files
}

// write writes the files of the model into a folder, and returns how many bytes they say
// that they have.
func (l large) write(folder string) (sizeBytes int64, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	for i, f := range l.files {
		name := "model.gguf"
		if len(l.files) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.gguf", i+1, len(l.files))
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, f.Header(), 0o644); err != nil {
			return 0, err
		}
		if err := os.Truncate(path, f.SizeBytes()); err != nil {
			return 0, err
		}
		sizeBytes += f.SizeBytes()
	}
	return sizeBytes, nil
}

// look is what it cost to find out what a model is.
type look struct{ seconds, megabytes float64 }

func measureInspect(ctx context.Context, st *stage.Stage, o options, progress io.Writer) (answer, error) {
	s, err := newScene(ctx, st, o)
	if err != nil {
		return answer{}, err
	}
	folder := filepath.Join(s.dir, "large")
	if err := s.storage(ctx, "large", "fs", map[string]string{"directory": folder}); err != nil {
		return answer{}, err
	}
	a := answer{
		table: report.Table{Header: []string{"what a model is", "GB", "seconds", "MB read"}},
		notes: []string{
			"What a model is is found out when it is imported from a storage-fs: time begins with the request, and ends when the server goes on to read the files for their digest, which is then broken off. What was read until then is what the storage's plugin read from files.",
		},
	}
	for i, model := range larges() {
		size, err := model.write(filepath.Join(folder, strconv.Itoa(i)))
		if err != nil {
			return a, err
		}
		var seconds, megabytes []float64
		for round := range o.rounds {
			l, err := s.look(ctx, fmt.Sprintf("modelbench-%d-%d", i, round), "storage://large/"+strconv.Itoa(i)+"/")
			if err != nil {
				return a, fmt.Errorf("%s: %w", model.name, err)
			}
			fmt.Fprintf(progress, "%d: %s: %.2f s, %.1f MB\n", round+1, model.name, l.seconds, l.megabytes)
			seconds, megabytes = append(seconds, l.seconds), append(megabytes, l.megabytes)
		}
		a.table.Rows = append(a.table.Rows, []string{
			model.name, fmt.Sprintf("%.0f", float64(size)/1e9), fmt.Sprintf("%.2f", middle(seconds)), fmt.Sprintf("%.1f", middle(megabytes)),
		})
		a.targets = append(a.targets,
			report.AtMost(model.name+", known after", "%.2f s", maxInspectSeconds, middle(seconds)),
			report.AtMost(model.name+", read", "%.0f MB", maxInspectMB, middle(megabytes)))
	}
	return a, nil
}

// look imports a model and returns when it is known what it is.
func (s *scene) look(ctx context.Context, model, source string) (l look, err error) {
	plugin, err := s.pluginPID(ctx, "fs")
	if err != nil {
		return l, err
	}
	before, err := readBytes(plugin)
	if err != nil {
		return l, err
	}
	began := time.Now()
	if _, err := s.api.ImportModel(ctx, client.ModelImport{Source: source, Name: model}); err != nil {
		return l, err
	}
	op, err := s.pastInspecting(ctx, model)
	if err != nil {
		return l, err
	}
	l.seconds = time.Since(began).Seconds()
	after, err := readBytes(plugin)
	if err != nil {
		return l, err
	}
	l.megabytes = float64(after-before) / 1e6
	if _, err := s.api.CancelOperation(ctx, op.ID); err != nil {
		return l, err
	}
	return l, await(ctx, inspectLimit, func() error {
		is, err := s.api.Operation(ctx, op.ID)
		if err == nil && !is.State.Ended() {
			err = fmt.Errorf("the operation is %s", is.State)
		}
		return err
	})
}

// pastInspecting waits until a model was looked at, and returns the operation.
func (s *scene) pastInspecting(ctx context.Context, model string) (*client.Operation, error) {
	every := time.NewTicker(inspectEvery)
	defer every.Stop()
	deadline := time.NewTimer(inspectLimit)
	defer deadline.Stop()
	for {
		list, err := s.api.Operations(ctx, client.OperationQuery{Model: model})
		if err != nil {
			return nil, err
		}
		for i := range list {
			switch op := &list[i]; {
			case op.State == client.OperationRunning && op.Phase == "hashing":
				return op, nil
			case op.State == client.OperationFailed, op.State == client.OperationWaiting && op.Error != "":
				return nil, fmt.Errorf("the operation is %s: %s", op.State, op.Error)
			}
		}
		select {
		case <-every.C:
		case <-deadline.C:
			return nil, fmt.Errorf("the model %s is not looked at: %v", model, list)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pluginPID returns the process of a storage's plugin.
func (s *scene) pluginPID(ctx context.Context, name string) (int, error) {
	list, err := s.api.Plugins(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if p.Kind == "storage" && p.Name == name && p.PID != 0 {
			return p.PID, nil
		}
	}
	return 0, fmt.Errorf("no plugin %s runs", name)
}

// readBytes returns how much a process has read, from files and all else.
func readBytes(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "rchar: "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("the process %d doesn't say how much it has read", pid)
}
