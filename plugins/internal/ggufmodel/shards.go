package ggufmodel

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/loader"
)

// shardPattern is how llama.cpp names the files of a model that it has split. Ollama
// goes by it too.
var shardPattern = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})(\.[gG][gG][uU][fF])$`)

// Set are the files of one GGUF: one, or all that it was split into, in order.
type Set struct {
	files []loader.File
	// count is how many it was split into, by the names; 1 is that it was not.
	count int
}

// name is what people call the set.
func (s Set) name() string { return s.files[0].Path }

// Missing returns the files that there are not, a few where they are many.
func (s Set) Missing() []string {
	const most = 10
	if len(s.files) == s.count {
		return nil
	}
	have := map[string]bool{}
	for _, f := range s.files {
		have[f.Path] = true
	}
	m := shardPattern.FindStringSubmatch(s.files[0].Path)
	var names []string
	for i := 1; i <= s.count && len(names) < most; i++ {
		if name := fmt.Sprintf("%s-%05d-of-%s%s", m[1], i, m[3], m[4]); !have[name] {
			names = append(names, name)
		}
	}
	return names
}

// Sets puts files together that were split from one. What does not look like a part by
// its name is a set of its own.
func Sets(files []loader.File) []Set {
	var all []Set
	at := map[string]int{}
	for _, f := range files {
		whole, count := wholeOf(f.Path)
		if i, ok := at[whole]; ok && count > 1 {
			all[i].files = append(all[i].files, f)
			continue
		}
		at[whole] = len(all)
		all = append(all, Set{files: []loader.File{f}, count: count})
	}
	for _, s := range all {
		slices.SortFunc(s.files, func(a, b loader.File) int { return cmp.Compare(a.Path, b.Path) })
	}
	return all
}

// wholeOf returns the name of what a file is a part of, and of how many.
func wholeOf(name string) (whole string, count int) {
	m := shardPattern.FindStringSubmatch(name)
	if m == nil {
		return name, 1
	}
	number, _ := strconv.Atoi(m[2]) // digits
	count, _ = strconv.Atoi(m[3])
	if count < 2 || number < 1 || number > count {
		return name, 1
	}
	return m[1] + "-of-" + m[3] + m[4], count
}

// IsNamed reports whether a file has the ending of a GGUF.
func IsNamed(name string) bool { return strings.EqualFold(path.Ext(name), ".gguf") }

// IsBeside reports whether a file is one that people have beside a model, and that says
// nothing of it.
func IsBeside(name string) bool {
	base := strings.ToLower(path.Base(name))
	switch path.Ext(base) {
	case ".md", ".txt", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".html", ".imatrix", ".sha256":
		return true
	}
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "license") || strings.HasPrefix(base, "readme") || strings.HasPrefix(base, "notice")
}
