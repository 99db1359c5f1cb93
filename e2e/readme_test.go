package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// repository is the root of the repository, as seen from this package.
const repository = ".."

// TestDocumentsLinkToWhatExists follows every link to a file in the README, the
// change log and docs.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	for _, document := range documents(t) {
		text := read(t, document)
		for _, link := range localLinks(text) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), link)); err != nil {
				t.Errorf("%s links to %s: %v", document, link, err)
			}
		}
	}
}

// TestDocumentsShowWhatExists asks the programs, by --help, and the Makefile
// whether they know each command, argument and flag that a document shows.
func TestDocumentsShowWhatExists(t *testing.T) {
	targets := makeTargets(read(t, filepath.Join(repository, "Makefile")))
	programs := map[string]string{}
	for _, document := range documents(t) {
		for _, words := range commands(read(t, document)) {
			name := filepath.Base(words[0])
			switch {
			case name == "make":
				for _, target := range words[1:] {
					if !slices.Contains(targets, target) {
						t.Errorf("%s: the Makefile has no target %q", document, target)
					}
				}
			case strings.HasPrefix(name, "corral"):
				if programs[name] == "" {
					programs[name] = programPath(t, name)
				}
				words = append([]string{name}, words[1:]...)
				if complaint := complaintAbout(words, help(t, programs[name], words)); complaint != "" {
					t.Errorf("%s: %s: %s", document, strings.Join(words, " "), complaint)
				}
			}
		}
	}
	if len(programs) < 3 {
		t.Errorf("the documents show only the programs %v; are their blocks still marked as sh?", programs)
	}
}

// documents returns the paths of everything that is written for people.
func documents(t *testing.T) []string {
	t.Helper()
	list := []string{filepath.Join(repository, "README.md"), filepath.Join(repository, "CHANGELOG.md")}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	fencedBlock = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```\\s*?$")
	markedLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	targetRule  = regexp.MustCompile(`(?m)^([a-z0-9-]+):.*## `)
	usageLine   = regexp.MustCompile(`(?m)^Usage:\n  (.*)$`)
	commandWord = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	assignment  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// localLinks returns the files that a document links to, without positions in them.
func localLinks(text string) []string {
	var links []string
	for _, match := range markedLink.FindAllStringSubmatch(fencedBlock.ReplaceAllString(text, ""), -1) {
		link, _, _ := strings.Cut(match[1], "#")
		if link != "" && !strings.Contains(link, "://") {
			links = append(links, link)
		}
	}
	return links
}

// makeTargets returns the documented targets of a Makefile.
func makeTargets(text string) []string {
	var targets []string
	for _, match := range targetRule.FindAllStringSubmatch(text, -1) {
		targets = append(targets, match[1])
	}
	return targets
}

// commands returns the words of every command in a document's sh blocks,
// without the variables that it sets.
func commands(text string) [][]string {
	var all [][]string
	for _, block := range fencedBlock.FindAllStringSubmatch(text, -1) {
		if language, _, _ := strings.Cut(block[1], " "); language != "sh" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
			for _, words := range shellCommands(line) {
				for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "export") {
					words = words[1:]
				}
				if len(words) > 0 {
					all = append(all, words)
				}
			}
		}
	}
	return all
}

// shellCommands splits a line into commands and their words. It knows quotes,
// comments, and what separates commands: as much of a shell as documents need.
func shellCommands(line string) [][]string {
	var (
		all   [][]string
		words []string
		word  strings.Builder
		some  bool // of the word, which may be ""
		quote rune
	)
	endWord := func() {
		if some {
			words = append(words, word.String())
		}
		word.Reset()
		some = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, some = r, true
		case r == '#' && !some:
			endCommand()
			return all
		case r == ' ' || r == '\t' || r == '\n':
			endWord()
		case strings.ContainsRune("|&;", r):
			endCommand()
		default:
			word.WriteRune(r)
			some = true
		}
	}
	endCommand()
	return all
}

// complaintAbout says why a command is none that its program's help describes,
// or returns "". Flags stand behind a command's arguments.
func complaintAbout(words []string, help string) string {
	usage := usageLine.FindStringSubmatch(help)
	if usage == nil {
		return "its help shows no usage"
	}
	var path, arguments []string
	for word := range strings.FieldsSeq(usage[1]) {
		switch {
		case word == "[flags]" || word == "[command]":
		case len(arguments) == 0 && commandWord.MatchString(word):
			path = append(path, word)
		default:
			arguments = append(arguments, word)
		}
	}
	plain, flags := splitFlags(words)
	if len(plain) < len(path) || !slices.Equal(plain[:len(path)], path) {
		return fmt.Sprintf("there is no such command; its help is that of %q", strings.Join(path, " "))
	}
	given := len(plain) - len(path)
	if given > len(arguments) {
		return fmt.Sprintf("%q is neither a command nor an argument", plain[len(path)+len(arguments)])
	}
	if given < len(arguments) && !strings.HasPrefix(arguments[given], "[") {
		return arguments[given] + " is missing"
	}
	for _, flag := range flags {
		if !regexp.MustCompile(`(?m)^\s.*?` + regexp.QuoteMeta(flag) + `(,|\s)`).MatchString(help) {
			return "it has no flag " + flag
		}
	}
	return ""
}

// splitFlags returns the words before the first flag, and the names of the flags.
func splitFlags(words []string) (plain, flags []string) {
	for _, word := range words {
		switch {
		case strings.HasPrefix(word, "-"):
			name, _, _ := strings.Cut(word, "=")
			flags = append(flags, name)
		case len(flags) == 0:
			plain = append(plain, word)
		}
	}
	return plain, flags
}

// help returns what a program says about a command.
func help(t *testing.T, program string, words []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	plain, _ := splitFlags(words)
	cmd := exec.CommandContext(ctx, program, append(plain[1:len(plain):len(plain)], "--help")...)
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s --help: %v\n%s", strings.Join(plain, " "), err, out)
	}
	return string(out)
}

// programPath returns the built program, from CORRAL_BIN_DIR or else built here.
func programPath(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("CORRAL_BIN_DIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	sources, err := filepath.Glob(filepath.Join(repository, "*", "cmd", name))
	if err != nil || len(sources) != 1 {
		t.Fatalf("the documents show the program %s; its folder is one of %v, %v", name, sources, err)
	}
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	cmd.Dir = sources[0]
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return path
}

// TestDocumentChecksCatch takes the checks through what they are there to find.
func TestDocumentChecksCatch(t *testing.T) {
	const text = "See [one](a/b.md#part), [two](https://example.com/x) and [three](#here).\n" +
		"```sh run\nexport K=v\nK=v bin/corral host list | grep 'a b' # not this\nmake a && make b\ncorral x \\\n  --flag=1\n```\n" +
		"```text\ncorral nothing [four](c.md)\n```\n"
	if diff := cmp.Diff([]string{"a/b.md"}, localLinks(text)); diff != "" {
		t.Errorf("links: %s", diff)
	}
	want := [][]string{{"bin/corral", "host", "list"}, {"grep", "a b"}, {"make", "a"}, {"make", "b"}, {"corral", "x", "--flag=1"}}
	if diff := cmp.Diff(want, commands(text)); diff != "" {
		t.Errorf("commands: %s", diff)
	}
	if diff := cmp.Diff([]string{"run"}, makeTargets("run: build ## start it\nhidden: run\n# x: ## y\n")); diff != "" {
		t.Errorf("targets: %s", diff)
	}
	const showHelp = "Show.\n\nUsage:\n  corral host show HOST [PART] [flags]\n\nFlags:\n  -n, --lines int   how many\n      --output string\n  -q\n"
	const groupHelp = "Usage:\n  corral host [flags]\n  corral host [command]\n"
	cases := []struct{ command, help, want string }{
		{"corral host show gpu-1 -n 3 --output=json -q", showHelp, ""},
		{"corral host show gpu-1 cpu", showHelp, ""},
		{"corral host show", showHelp, "HOST is missing"},
		{"corral host show gpu-1 cpu more", showHelp, `"more" is neither a command nor an argument`},
		{"corral host show gpu-1 --line 3", showHelp, "it has no flag --line"},
		{"corral host show gpu-1 -x", showHelp, "it has no flag -x"},
		{"corral host steal", groupHelp, `"steal" is neither a command nor an argument`},
		{"corral steal", showHelp, `there is no such command; its help is that of "corral host show"`},
		{"corral", "", "its help shows no usage"},
	}
	for _, tc := range cases {
		if got := complaintAbout(strings.Fields(tc.command), tc.help); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.command, got, tc.want)
		}
	}
}
