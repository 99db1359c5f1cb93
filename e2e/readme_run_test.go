package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// readmeLimit is how long the README's commands may take together. The first of
// them that asks the model has it loaded.
const readmeLimit = time.Minute

// TestReadmeRuns goes a reader's way: it starts the system, has one shell do
// what the README says beside it, and ends the system with Ctrl-C.
func TestReadmeRuns(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the README shows calls with curl, which `scripts/deps.sh curl` installs: %v", err)
	}
	s := newScript(t, "http://127.0.0.1:0")
	s.start(t)
	s.ready(t)
	commands := strings.NewReplacer(
		"127.0.0.1:11435", s.listen,
		".cache/run", s.AwaitLog(0, `logs are in +(\S+)`),
		"bin/", corraltest.BinDir(t)+"/",
	).Replace(runBlocks(read(t, filepath.Join(repository, "README.md"))))

	shell := s.lab.Start(corraltest.Command{
		Path: "/bin/bash", Args: []string{"-euo", "pipefail", "-c", announced(commands)},
		Env: []string{"CORRAL_SERVER=http://" + s.listen, "CORRAL_KEY="},
		Dir: corraltest.Root(t),
	})
	code := shell.Wait(readmeLimit)
	steps := stepsOf(string(shell.Log()))
	if code != 0 {
		t.Errorf("the README's commands end with status %d; the last one was: %s", code, steps[len(steps)-1].Command)
	}
	for _, want := range []struct{ command, output string }{
		{`/corral status$`, `hosts +1, 1 online`},
		{`/corral host list$`, `(?m)^\S+ +online `},
		{`/corral model list$`, demoModel},
		{`/corral chat `, regexp.QuoteMeta(tinymodel.DefaultReply)},
		{`^curl .*/api/chat `, regexp.QuoteMeta(tinymodel.DefaultReply)},
		{`^curl .*/api/tags$`, `"models":.*` + demoModel},
		{`/corral-controlplane key create `, `^crl_\S+\n$`},
		{`/corral-controlplane key list `, `my-app`},
	} {
		if complaint := complaintAboutStep(steps, want.command, want.output); complaint != "" {
			t.Error(complaint)
		}
	}
	s.interrupt(t)
}

// runBlocks returns, one after the other, a document's blocks marked "sh run".
func runBlocks(text string) string {
	var all strings.Builder
	for _, block := range fencedBlock.FindAllStringSubmatch(text, -1) {
		if block[1] == "sh run" {
			all.WriteString(block[2])
		}
	}
	return all.String()
}

// announcement begins the line in which a shell says what it does next.
const announcement = "\x1e"

// announced makes a script of bash write each of its commands before it does it.
func announced(script string) string {
	return `trap 'printf "` + announcement + `%s\n" "$BASH_COMMAND"' DEBUG` + "\n" + script
}

// step is a command of a script and what it wrote.
type step struct{ Command, Output string }

// stepsOf takes apart what an announced script wrote. There is at least one step.
func stepsOf(log string) []step {
	var steps []step
	for part := range strings.SplitSeq(strings.TrimPrefix(log, announcement), announcement) {
		command, output, _ := strings.Cut(part, "\n")
		steps = append(steps, step{command, output})
	}
	return steps
}

// complaintAboutStep says what is wrong where the first step with a matching
// command has no matching output, or where there is none, and else returns "".
func complaintAboutStep(steps []step, command, output string) string {
	i := slices.IndexFunc(steps, func(s step) bool { return regexp.MustCompile(command).MatchString(s.Command) })
	switch {
	case i < 0:
		return fmt.Sprintf("no command was run that matches %s", command)
	case !regexp.MustCompile(output).MatchString(steps[i].Output):
		return fmt.Sprintf("%s: it wrote %q, want a match of %s", steps[i].Command, steps[i].Output, output)
	}
	return ""
}

// TestReadmeStepsCatch has a shell do a document's blocks of which one is wrong.
func TestReadmeStepsCatch(t *testing.T) {
	const text = "```sh run\nexport A=$(echo 1)\necho \"A is $A\"\n```\n```sh\necho not this\n```\n" +
		"```sh run\nfalse | cat\necho too far\n```\n"
	out, err := exec.CommandContext(t.Context(), "/bin/bash", "-euo", "pipefail", "-c", announced(runBlocks(text))).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("a block with a command that fails: %v", err)
	}
	steps := stepsOf(string(out))
	if diff := cmp.Diff([]step{{"export A=$(echo 1)", ""}, {`echo "A is $A"`, "A is 1\n"}}, steps[:min(2, len(steps))]); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ command, output, want string }{
		{"^echo", "^A is 1\n$", ""},
		{"^echo", "2", `echo "A is $A": it wrote "A is 1\n", want a match of 2`},
		{"not this", "", "no command was run that matches not this"},
		{"too far", "", "no command was run that matches too far"},
	} {
		if got := complaintAboutStep(steps, c.command, c.output); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.command, c.output, got, c.want)
		}
	}
}
