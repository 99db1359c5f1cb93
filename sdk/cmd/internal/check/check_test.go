package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
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

// checked runs the program on a plugin and returns its report.
func checked(t *testing.T, which string, args ...string) (Report, error) {
	t.Helper()
	return checkedWithin(t, defaultLimits(), which, args...)
}

// checkedWithin has less patience than the program, or more.
func checkedWithin(t *testing.T, l limits, which string, args ...string) (r Report, failed error) {
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
	o, err := Parse("plugincheck", append([]string{self, "-c", configFile, "--json", "--env", role + "=" + which, "--env", "GORACE=atexit_sleep_ms=0"}, args...), &stderr)
	if err != nil {
		t.Fatal(err)
	}
	o.limits = l
	failed = Run(t.Context(), *o, &stdout, &stderr)
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil && stdout.Len() > 0 {
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
	want := len(storagetest.Checks())
	for _, c := range processChecks() {
		if !c.soak && c.kind != loaderKind {
			want++
		}
	}
	if len(r.Results) != want || r.Plugin != "memory" || len(r.SHA256) != 64 {
		t.Errorf("%d results of %d; %+v", len(r.Results), want, r)
	}
	written, err := os.ReadFile(junit)
	var suite junitSuite
	if err != nil || xml.Unmarshal(written, &suite) != nil || suite.Tests != len(r.Results) || suite.Failures != 0 || len(suite.Cases) != suite.Tests {
		t.Errorf("%v\n%s", err, written)
	}
}

func TestABadPluginFailsByName(t *testing.T) {
	for which, ids := range map[string]string{
		"wrong sizes": "ST-STAT-002", "creates over others": "ST-CREATE-001", "logs secrets": "PL-SECRET-001",
		"errors with secrets": "PL-SECRET-001", "does not end": "PL-END-001", "says other things": "PL-DESCRIBE-002",
		"has no name": "PL-DESCRIBE-003", "says nothing by hand": "PL-DESCRIBE-004",
		"takes any configuration": "PL-CONFIG-001 PL-CONFIG-002 PL-CONFIG-003 PL-CONFIG-004 PL-CONFIG-005 PL-CONFIG-006",
		"loses secrets":           "PL-CONFIG-007",
		"closes only once":        "PL-INSTANCE-002", "closes all": "PL-INSTANCE-001", "opens a few": "PL-INSTANCE-003",
		"goes on when it is closed": "PL-INSTANCE-004",
		"takes any key":             "PL-KEY-001", "takes any prefix": "PL-KEY-002",
		"prints": "PL-STDOUT-001", "passes secrets on": "PL-SECRET-002", "listens": "PL-LISTEN-001", "holds objects": "PL-MEMORY-001",
		"forgets some": "PL-CRASH-002", "keeps halves": "PL-CRASH-001", "sweeps nothing": "PL-SWEEP-001", "has tokens of its own": "PL-PAGE-001",
		"gives up what is slow": "PL-FREEZE-002", "ends when it is frozen": "PL-FREEZE-001", "waits for uploads": "PL-END-002", "ends by signals": "PL-END-003",
		"leaks what is given up": "PL-CANCEL-001", "leaks": "PL-LEAK-001", "serves a few": "PL-LOAD-001",
	} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			wanted := strings.Fields(ids)
			r, err := checked(t, which, "--soak", "--run", "^("+strings.Join(wanted, "|")+")$")
			if len(r.Results) != len(wanted) {
				t.Errorf("%d checks were run", len(r.Results))
			}
			if err == nil {
				t.Error("it passes as a whole")
			}
			for _, one := range r.Results {
				if !one.Verdict.Bad() || len(one.Faults) == 0 {
					t.Errorf("%s: %s", one.ID, one.Verdict)
				}
			}
		})
	}
}

// A plugin that hangs is known after a few checks, and not after an hour of them.
func TestAPluginThatNeverAnswersIsGivenUp(t *testing.T) {
	for which, c := range map[string]struct {
		limits limits
		fault  string // how it begins
	}{
		"answers nothing":   {limits{call: time.Second, storage: time.Minute}, "list what a check has left: "},
		"answers List only": {limits{call: time.Minute, storage: 100 * time.Millisecond}, "Stat: "},
	} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			r, err := checkedWithin(t, c.limits, which)
			if !r.Stopped || len(r.Results) != maxUnanswered || fault.KindOf(err) != fault.Timeout {
				t.Fatalf("stopped %v, after %d checks: %v", r.Stopped, len(r.Results), err)
			}
			for _, one := range r.Results {
				if one.Verdict != storagetest.Failed || len(one.Faults) == 0 {
					t.Errorf("%s: %s %q", one.ID, one.Verdict, one.Faults)
				}
			}
			if first := r.Results[0]; !strings.HasPrefix(first.Faults[0], c.fault) {
				t.Errorf("the first one says %q", first.Faults)
			}
			last := r.Results[maxUnanswered-1]
			if got := last.Faults[len(last.Faults)-1]; got != "3 checks in a row were not answered: no more are tried" {
				t.Errorf("the last one says %q", got)
			}
		})
	}
	t.Run("the process", func(t *testing.T) {
		t.Parallel()
		r, err := checkedWithin(t, limits{call: time.Minute, storage: time.Minute, process: time.Millisecond}, "good", "--run", "^PL-(INSTANCE|KEY)")
		if !r.Stopped || len(r.Results) != maxUnanswered || fault.KindOf(err) != fault.Timeout {
			t.Errorf("stopped %v, after %d checks: %v", r.Stopped, len(r.Results), err)
		}
	})
	t.Run("opening", func(t *testing.T) {
		t.Parallel()
		r, err := checkedWithin(t, limits{call: 2 * time.Second}, "does not open")
		if len(r.Results) != 0 || fault.KindOf(err) != fault.Timeout || !strings.Contains(err.Error(), "open an instance") {
			t.Errorf("%d checks: %v", len(r.Results), err)
		}
	})
}

// One that is slow now and then is checked to the end.
func TestAnsweredChecksAreNotCounted(t *testing.T) {
	s := &subject{}
	unanswered := storagetest.Result{Verdict: storagetest.Failed, Unanswered: true}
	for i, r := range []storagetest.Result{unanswered, unanswered, {Verdict: storagetest.Failed}, unanswered, unanswered, {Verdict: storagetest.Passed}} {
		if !s.goesOn("ST", "", r) {
			t.Errorf("stopped at %d", i)
		}
	}
}

// Each check of the process has a plugin that it finds, but for the one that says
// that describe is quick and the same.
func TestEveryCheckOfTheProcessCanFail(t *testing.T) {
	tests := map[string]string{}
	for kind, file := range map[string]string{"": "check_test.go", storageKind: "check_test.go", loaderKind: "loading_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests[kind] = string(text)
	}
	for _, c := range processChecks() {
		if c.id != "PL-DESCRIBE-001" && !strings.Contains(tests[c.kind], c.id) {
			t.Errorf("nothing shows that %s can fail", c.id)
		}
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
