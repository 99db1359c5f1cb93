package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const prefix = "github.com/corral-fleet/corral/"

// moduleMayImport lists our modules, each with those of ours that it may import.
var moduleMayImport = map[string][]string{
	"sdk":          {},
	"agent":        {"sdk"},
	"controlplane": {"sdk"},
	"plugins":      {"sdk"},
	"e2e":          {"sdk"},
}

// controlplaneFloors are the packages of controlplane/internal from the ground
// up. A package imports only what is on a lower floor than its own. Packages in
// folders below one of these belong to it.
var controlplaneFloors = [][]string{
	{"fleet", "edge"},
	{
		"agentlink", "auth", "chat", "history", "limits", "models",
		"pki", "relay", "router", "settings", "sqlite", "stats", "storages",
		"summary", "uploads", "usage",
	},
	{"api", "doctor", "live", "ollamaapi", "openaiapi", "uploadapi", "web"},
	{"controlplane"},
}

// groundMayImport is what the lowest floor may import of ours.
const groundMayImport = prefix + "sdk/fault"

// externalBudget names packages that must stay light, with the modules that
// they may pull in, indirectly too.
var externalBudget = map[string][]string{
	prefix + "sdk/fault":                   {},
	prefix + "sdk/storage":                 {},
	prefix + "sdk/loader":                  {},
	prefix + "sdk/gguf":                    {},
	prefix + "sdk/wire":                    {"google.golang.org/protobuf"},
	prefix + "controlplane/internal/fleet": {},
	// What each author of a plugin has to take with the SDK.
	prefix + "sdk/plugin":              pluginModules,
	prefix + "sdk/storage/storagetest": {},
	prefix + "sdk/loader/loadertest":   {},
}

// pluginModules are what a plugin is made of beside its author's code: go-plugin and
// gRPC with what they need, and what reads a configuration.
var pluginModules = []string{
	"github.com/fatih/color", "github.com/golang/protobuf", "github.com/hashicorp/go-hclog", "github.com/hashicorp/go-plugin",
	"github.com/hashicorp/yamux", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "github.com/oklog/run",
	"github.com/spf13/pflag", "go.yaml.in/yaml/v3", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
	"google.golang.org/genproto/googleapis/rpc", "google.golang.org/grpc", "google.golang.org/protobuf",
}

// mayNotLink names programs with packages that none of theirs may be built of: the agent is
// on every host, and stays small.
var mayNotLink = map[string][]string{
	prefix + "agent/cmd/corral-agent": {"google.golang.org/grpc", prefix + "sdk/host", prefix + "agent/internal/models"},
}

// vagueNames are names of packages that say nothing about what is in them.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}

// goPackage is what these laws need to know of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
	Module     *struct{ Path string }
}

// TestImportDirection holds every package of every module against the laws of
// who may import whom. Each module is read without the workspace, as a release
// builds it. Run it with -count=1: the test cache does not see what the go
// command read.
func TestImportDirection(t *testing.T) {
	packages := map[string]goPackage{}
	for _, dir := range append(workspaceModules(t), "../plugins/storage-rclone") { // which is outside of it
		for _, p := range listPackages(t, dir) {
			packages[p.ImportPath] = p
		}
	}
	for _, violation := range violations(packages) {
		t.Error(violation)
	}
}

// violations returns a sentence for each law that is broken, sorted.
func violations(packages map[string]goPackage) []string {
	var found []string
	for path, p := range packages {
		name, ours := strings.CutPrefix(path, prefix)
		if !ours {
			continue
		}
		if base := name[strings.LastIndex(name, "/")+1:]; slices.Contains(vagueNames, base) {
			found = append(found, fmt.Sprintf("%s: a name that says nothing about what is in it", name))
		}
		if reason := placeOf(name); reason != "" {
			found = append(found, name+": "+reason)
		}
		for _, imported := range p.Imports {
			if reason := forbidden(name, imported); reason != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", name, strings.TrimPrefix(imported, prefix), reason))
			}
		}
		for _, heavy := range mayNotLink[path] {
			if slices.Contains(p.Deps, heavy) {
				found = append(found, fmt.Sprintf("%s is built of %s, which it may not be", name, strings.TrimPrefix(heavy, prefix)))
			}
		}
		found = append(found, overBudget(p, packages)...)
	}
	slices.Sort(found)
	return found
}

// placeOf says why a package has no place in the layout, or returns "".
func placeOf(name string) string {
	module, _, _ := strings.Cut(name, "/")
	if _, known := moduleMayImport[module]; !known {
		return "a module that moduleMayImport does not list"
	}
	if rest, ok := strings.CutPrefix(name, "controlplane/internal/"); ok && floorOf(unitOf(rest)) < 0 {
		return "is on no floor; controlplaneFloors has to say on which"
	}
	return ""
}

// forbidden says why the package name may not import the other, or returns "".
func forbidden(name, imported string) string {
	target, ours := strings.CutPrefix(imported, prefix)
	if !ours {
		return ""
	}
	from, _, _ := strings.Cut(name, "/")
	to, _, _ := strings.Cut(target, "/")
	switch {
	case from != to && !slices.Contains(moduleMayImport[from], to):
		return fmt.Sprintf("%s may not import %s", from, to)
	case name == "sdk/fault":
		return "sdk/fault imports the standard library alone"
	case from == "sdk" && within(target, "sdk/wire") && !within(name, "sdk/wire"):
		return "the protocol is not part of what the sdk promises"
	case within(target, "sdk/internal/pb") && !within(name, "sdk/internal"):
		return "generated types stay in sdk/internal"
	case target == from+"/internal/"+from && !within(name, from+"/cmd"):
		return "the wiring is for cmd alone"
	}
	return forbiddenFloor(name, target)
}

// forbiddenFloor is the law of the floors inside the control plane.
func forbiddenFloor(name, target string) string {
	rest, inside := strings.CutPrefix(name, "controlplane/internal/")
	if !inside {
		return ""
	}
	unit := unitOf(rest)
	targetRest, inside := strings.CutPrefix(target, "controlplane/internal/")
	if !inside {
		if floorOf(unit) == 0 && prefix+target != groundMayImport {
			return "the ground floor imports nothing of ours but sdk/fault"
		}
		return ""
	}
	targetUnit := unitOf(targetRest)
	if unit == targetUnit || floorOf(unit) < 0 || floorOf(targetUnit) < floorOf(unit) {
		return ""
	}
	if floorOf(targetUnit) == floorOf(unit) {
		return "siblings on a floor meet in fleet alone"
	}
	return "imports go downwards only"
}

// overBudget names the modules that a package pulls in beyond its budget.
func overBudget(p goPackage, packages map[string]goPackage) []string {
	allowed, limited := externalBudget[p.ImportPath]
	if !limited {
		return nil
	}
	var found []string
	for _, path := range p.Deps {
		dep := packages[path]
		if dep.Standard || dep.Module == nil || strings.HasPrefix(path, prefix) || slices.Contains(allowed, dep.Module.Path) {
			continue
		}
		found = append(found, fmt.Sprintf("%s pulls in %s, beyond its budget", strings.TrimPrefix(p.ImportPath, prefix), dep.Module.Path))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// unitOf returns the package of a floor to which a path below internal/ belongs.
func unitOf(rest string) string {
	unit, _, _ := strings.Cut(rest, "/")
	return unit
}

// floorOf returns a package's floor, 0 for the ground and -1 for none.
func floorOf(unit string) int {
	return slices.IndexFunc(controlplaneFloors, func(floor []string) bool { return slices.Contains(floor, unit) })
}

// within reports whether a path is a folder or below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// workspaceModules returns the folder of each module of the workspace.
func workspaceModules(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the workspace's modules: %v", withStderr(err))
	}
	dirs := strings.Fields(string(out))
	if len(dirs) < 2 {
		t.Fatalf("the workspace has the modules %v; is go.work in use?", dirs)
	}
	return dirs
}

// listPackages returns the packages of the module in dir and all that they import.
func listPackages(t *testing.T, dir string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard,Module", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("list the packages of %s: %v", filepath.Base(dir), withStderr(err))
		return nil
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := dec.Decode(&p); {
		case err == io.EOF:
			return packages
		case err != nil:
			t.Fatal(err)
		}
		if !strings.Contains(p.ImportPath, "/node_modules/") { // an npm package may bring Go files
			packages = append(packages, p)
		}
	}
}

// withStderr adds what a command said to the error that it ended with.
func withStderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return err
}

// TestImportLawsCatch breaks each law once.
func TestImportLawsCatch(t *testing.T) {
	protobuf := &struct{ Path string }{"google.golang.org/protobuf"}
	heavy := &struct{ Path string }{"example.com/heavy"}
	cases := []struct {
		name     string
		packages []goPackage
		want     []string
	}{
		{"what is allowed", []goPackage{
			{ImportPath: "errors", Standard: true},
			{ImportPath: "google.golang.org/protobuf/encoding/protowire", Module: protobuf},
			{ImportPath: prefix + "sdk/fault", Imports: []string{"errors"}, Deps: []string{"errors"}},
			{ImportPath: prefix + "sdk/wire", Deps: []string{"google.golang.org/protobuf/encoding/protowire"}},
			{ImportPath: prefix + "sdk/wire/tunnel", Imports: []string{prefix + "sdk/wire"}, Deps: []string{"example.com/heavy"}},
			{ImportPath: prefix + "agent/internal/uplink", Imports: []string{prefix + "sdk/wire"}},
			{ImportPath: prefix + "agent/cmd/corral-agent", Imports: []string{prefix + "agent/internal/agent"}},
			{ImportPath: prefix + "controlplane/internal/fleet/fleettest", Imports: []string{prefix + "controlplane/internal/fleet"}},
			{ImportPath: prefix + "controlplane/internal/auth", Imports: []string{prefix + "controlplane/internal/edge"}},
			{ImportPath: prefix + "controlplane/internal/api", Imports: []string{prefix + "controlplane/internal/auth"}},
		}, nil},
		{"upwards from the sdk", imports("sdk/host", "agent/internal/models"), []string{"sdk/host imports agent/internal/models: sdk may not import agent"}},
		{"across modules", imports("agent/internal/uplink", "controlplane/internal/fleet"), []string{"agent/internal/uplink imports controlplane/internal/fleet: agent may not import controlplane"}},
		{"into the programs", imports("e2e/bench", "agent/internal/uplink"), []string{"e2e/bench imports agent/internal/uplink: e2e may not import agent"}},
		{"fault is the ground", imports("sdk/fault", "sdk/storage"), []string{"sdk/fault imports sdk/storage: sdk/fault imports the standard library alone"}},
		{"wire within the sdk", imports("sdk/host", "sdk/wire/tunnel"), []string{"sdk/host imports sdk/wire/tunnel: the protocol is not part of what the sdk promises"}},
		{"generated types", imports("sdk/wire", "sdk/internal/pb/agentv1"), []string{"sdk/wire imports sdk/internal/pb/agentv1: generated types stay in sdk/internal"}},
		{"the wiring", imports("agent/internal/uplink", "agent/internal/agent"), []string{"agent/internal/uplink imports agent/internal/agent: the wiring is for cmd alone"}},
		{"siblings", imports("controlplane/internal/auth", "controlplane/internal/sqlite"), []string{"controlplane/internal/auth imports controlplane/internal/sqlite: siblings on a floor meet in fleet alone"}},
		{"upstairs", imports("controlplane/internal/fleet/fleettest", "controlplane/internal/api"), []string{"controlplane/internal/fleet/fleettest imports controlplane/internal/api: imports go downwards only"}},
		{"more than fault on the ground", imports("controlplane/internal/edge", "sdk/wire"), []string{"controlplane/internal/edge imports sdk/wire: the ground floor imports nothing of ours but sdk/fault"}},
		{"no floor", imports("controlplane/internal/attic", "sdk/fault"), []string{"controlplane/internal/attic: is on no floor; controlplaneFloors has to say on which"}},
		{"no module", imports("gateway/internal/x", "gateway/internal/y"), []string{"gateway/internal/x: a module that moduleMayImport does not list"}},
		{"a vague name", imports("agent/internal/utils", "sdk/fault"), []string{"agent/internal/utils: a name that says nothing about what is in it"}},
		{"a heavy agent", []goPackage{
			{ImportPath: prefix + "agent/cmd/corral-agent", Deps: []string{prefix + "sdk/host"}},
			{ImportPath: prefix + "agent/cmd/corral-modelworker", Deps: []string{prefix + "sdk/host"}},
		}, []string{"agent/cmd/corral-agent is built of sdk/host, which it may not be"}},
		{"over budget", []goPackage{
			{ImportPath: "example.com/heavy/a", Module: heavy},
			{ImportPath: "example.com/heavy/b", Module: heavy},
			{ImportPath: prefix + "sdk/wire", Deps: []string{"example.com/heavy/a", "example.com/heavy/b"}},
		}, []string{"sdk/wire pulls in example.com/heavy, beyond its budget"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			packages := map[string]goPackage{}
			for _, p := range c.packages {
				packages[p.ImportPath] = p
			}
			if diff := cmp.Diff(c.want, violations(packages)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// imports is one package of ours that imports another.
func imports(name, imported string) []goPackage {
	return []goPackage{{ImportPath: prefix + name, Imports: []string{prefix + imported}}}
}
