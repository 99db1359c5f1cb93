package check

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// role is the variable that has the test's own program be a plugin.
const role = "CHECK_TEST_ROLE"

func TestMain(m *testing.M) {
	which := os.Getenv(role)
	if which == "" && len(os.Args) == 2 && os.Args[1] == "describe" {
		which = "good" // it is asked without any environment
	}
	if which == "" {
		os.Exit(m.Run())
	}
	os.Exit(pluginAs(which))
}

type settings struct {
	MaxBytes int64         `yaml:"max_bytes" help:"the largest object"`
	Password config.Secret `yaml:"password" help:"what the service asks for"`
}

// pluginAs is a plugin in memory, and how it is bad.
func pluginAs(which string) int {
	about := plugin.About{Name: "memory", Version: "0.1.0"}
	if which == "says other things" {
		about.Summary = "Is something else to its host."
	}
	status := plugin.Main(about, plugin.Storage(func(_ context.Context, s settings) (storage.Backend, error) {
		switch which {
		case "logs secrets":
			fmt.Fprintln(os.Stderr, "the password is", s.Password.Reveal())
		case "errors with secrets":
			if s.Password.Reveal() != "the right one" {
				return nil, fault.New(fault.Unauthenticated, "%q is not the password", s.Password.Reveal())
			}
		}
		return &bad{memory.New(1 << 30), which}, nil
	}))
	if which == "does not end" {
		time.Sleep(time.Hour)
	}
	return status
}

// bad is a backend that is bad in one way.
type bad struct {
	*memory.Backend
	which string
}

func (b *bad) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := b.Backend.Stat(ctx, key)
	if b.which == "wrong sizes" {
		info.SizeBytes++
	}
	return info, err
}

func (b *bad) Create(ctx context.Context, key string, src storage.Source) error {
	if b.which == "creates over others" {
		return b.Put(ctx, key, src)
	}
	return b.Backend.Create(ctx, key, src)
}

// checked runs the program on a plugin and returns its report.
func checked(t *testing.T, which string, args ...string) (Report, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(configFile, []byte("max_bytes: 1000000000\npassword: the right one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	failed := Command(t.Context(), append([]string{self, "-c", configFile, "--json", "--env", role + "=" + which}, args...), &stdout, &stderr)
	var r Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v, %v\n%s%s", failed, err, &stdout, &stderr)
	}
	return r, failed
}

func TestAGoodPluginPasses(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "j.xml")
	r, err := checked(t, "good", "--junit", junit)
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, one := range r.Results {
		if one.Verdict != storagetest.Passed && one.Verdict != storagetest.NotDeclared {
			t.Errorf("%s: %s %q", one.ID, one.Verdict, one.Faults)
		}
	}
	if want := len(storagetest.Checks()) + len(processChecks()); len(r.Results) != want || r.Plugin != "memory" || len(r.SHA256) != 64 {
		t.Errorf("%d results of %d; %+v", len(r.Results), want, r)
	}
	written, err := os.ReadFile(junit)
	var suite junitSuite
	if err != nil || xml.Unmarshal(written, &suite) != nil || suite.Tests != len(r.Results) || suite.Failures != 0 || len(suite.Cases) != suite.Tests {
		t.Errorf("%v\n%s", err, written)
	}
}

func TestABadPluginFailsByName(t *testing.T) {
	for which, id := range map[string]string{
		"wrong sizes": "ST-STAT-002", "creates over others": "ST-CREATE-001", "logs secrets": "PL-SECRET-001",
		"errors with secrets": "PL-SECRET-001", "does not end": "PL-END-001", "says other things": "PL-DESCRIBE-002",
	} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			r, err := checked(t, which, "--run", "^"+id+"$")
			if len(r.Results) != 1 {
				t.Errorf("%d checks were run", len(r.Results))
			}
			if err == nil {
				t.Error("it passes as a whole")
			}
			found := false
			for _, one := range r.Results {
				found = found || one.ID == id && one.Verdict.Bad() && len(one.Faults) > 0
			}
			if !found {
				t.Errorf("%s does not fail", id)
			}
		})
	}
}

func TestWhatIsNoPluginIsSaidToBeNone(t *testing.T) {
	for name, args := range map[string][]string{"nothing": nil, "no file": {"/nowhere/at/all"}, "two": {"a", "b"}, "an unknown flag": {"--nonsense"}, "no expression": {"a", "--run", "("}} {
		var out bytes.Buffer
		if err := Command(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	var out bytes.Buffer
	if err := Command(t.Context(), []string{"/bin/true"}, &out, &out); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a program that is no plugin: %v", err)
	}
}

func TestThePrintedReportNamesWhatIsWrong(t *testing.T) {
	r := Report{Plugin: "p", Version: "1", Kind: "storage", Results: []Result{
		{ID: "A-1", Sentence: "All is well.", Verdict: storagetest.Passed},
		{ID: "A-2", Sentence: "Nothing is wrong.", Verdict: storagetest.Failed, Faults: []string{"something is"}},
	}}
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"A-1", "Nothing is wrong.", "something is", "1 passed, 1 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}
