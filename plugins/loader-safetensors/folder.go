package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

const ending = ".safetensors"

// folder are the files of a model, in a folder that may be in others.
type folder struct {
	path    string // "." is none
	files   map[string]loader.File
	weights []string // in order
}

// shardPattern is how the files of a model in several are named.
var shardPattern = regexp.MustCompile(`^(.*-)([0-9]{5})-of-([0-9]{5})\.safetensors$`)

// foldersOf returns the folders that have weights.
func foldersOf(files []loader.File) []*folder {
	folders := map[string]*folder{}
	for _, f := range files {
		in, name := path.Dir(f.Path), path.Base(f.Path)
		if folders[in] == nil {
			folders[in] = &folder{path: in, files: map[string]loader.File{}}
		}
		folders[in].files[name] = f
	}
	var found []*folder
	for _, f := range folders {
		if f.weights = weightsOf(f.files); len(f.weights) > 0 {
			found = append(found, f)
		}
	}
	return found
}

// find returns the folder of a model.
func find(files []loader.File) (*folder, error) {
	switch found := foldersOf(files); len(found) {
	case 0:
		return nil, fault.New(fault.Invalid, "none of the files has weights as safetensors")
	case 1:
		return found[0], nil
	default:
		return nil, fault.New(fault.Invalid, "there are weights in %d folders: a model has one, so take each by itself", len(found))
	}
}

// weightsOf returns the files of weights. Some have the same a second time, as Mistral
// names them, which Ollama would take for further ones.
func weightsOf(files map[string]loader.File) []string {
	var all, other []string
	for name := range files {
		switch {
		case !strings.HasSuffix(name, ending), strings.HasPrefix(name, "adapter"): // which is of another format
		case strings.HasPrefix(name, "consolidated"):
			other = append(other, name)
		default:
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		all = other
	}
	slices.Sort(all)
	return all
}

// missing returns the files that have to be there as well, by their paths.
func (f folder) missing() []string {
	const most = 10
	var names []string
	add := func(name string) {
		if _, ok := f.files[name]; !ok && !slices.Contains(names, name) && len(names) < most {
			names = append(names, name)
		}
	}
	for _, name := range f.weights {
		m := shardPattern.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		count, _ := strconv.Atoi(m[3]) // digits
		for i := 1; i <= count && len(names) < most; i++ {
			add(fmt.Sprintf("%s%05d-of-%s%s", m[1], i, m[3], ending))
		}
	}
	add("config.json")
	if _, ok := f.files["tokenizer.model"]; !ok {
		add("tokenizer.json")
	}
	for i := range names {
		names[i] = path.Join(f.path, names[i])
	}
	return names
}

// taken are the files that Ollama makes a model of: weights, and what is small beside
// them.
func (f folder) taken() []string {
	names := slices.Clone(f.weights)
	for name := range f.files {
		if path.Ext(name) == ".json" || name == "tokenizer.model" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
