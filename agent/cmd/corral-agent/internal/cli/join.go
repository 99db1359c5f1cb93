package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/agent"
	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/survey"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
)

func newJoin(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Show what is on this host, and join a control plane",
		Long: `Show what is on this host and what the agent would do there, and, once that is
agreed to, join the control plane of --server with --token. Nothing is started;
what to run next is printed at the end. Joining again is no error.`,
		Args: noArgs,
	}
	load := settings(cmd, environ)
	yes := cmd.Flags().BoolP("yes", "y", false, "agree to what would be done, without being asked")
	move := cmd.Flags().Bool("move", false, "leave the control plane of which this host is a member first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		j := joining{cfg: cfg, version: version, yes: *yes, move: *move, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr()}
		return j.run(cmd.Context())
	}
	return cmd
}

// joining is one run of the command.
type joining struct {
	cfg       config.Config
	version   string
	yes, move bool
	in        io.Reader
	out, errs io.Writer

	before    identity.Membership
	isMember  bool
	forgotten bool // by the control plane, which has removed this host
}

func (j *joining) run(ctx context.Context) error {
	done, err := j.check(ctx)
	if err != nil || done {
		return err
	}
	host := survey.Look(ctx, survey.Options{OllamaURL: j.cfg.Ollama.URL, Folders: j.folders()})
	if err := printSurvey(j.out, &host); err != nil {
		return err
	}
	if err := j.printPlan(&host); err != nil {
		return err
	}
	if err := j.agree(ctx); err != nil {
		return err
	}
	if j.isMember {
		if err := j.leaveFirst(ctx); err != nil {
			return err
		}
	}
	joined, server, err := j.agent(j.cfg).Join(ctx, func(reason string) { fmt.Fprintln(j.out, "Waiting: "+reason) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.out, "Joined %s as host %s (%s).\n\nNext:\n  corral-agent run --data-dir %s\n", server, joined.Name, joined.HostID, j.cfg.DataDir)
	return err
}

// check returns an error where joining cannot work, and whether it is done already.
func (j *joining) check(ctx context.Context) (done bool, err error) {
	if j.before, j.isMember, err = identity.Peek(j.cfg.DataDir); err != nil {
		return false, err
	}
	token := j.cfg.Token.Reveal()
	if j.isMember {
		elsewhere := false
		if token != "" {
			if elsewhere, err = agent.Elsewhere(j.before, token); err != nil {
				return false, err
			}
		}
		switch {
		case !elsewhere && token != "" && j.agent(j.cfg).Forgotten(ctx):
			j.forgotten = true
		case !elsewhere:
			_, err := fmt.Fprintf(j.out, "This host is a member already, as %s (%s); nothing was changed.\n\nNext:\n  corral-agent run --data-dir %s\n",
				j.before.Name, j.before.HostID, j.cfg.DataDir)
			return true, err
		case !j.move:
			return false, fault.New(fault.Conflict, "this host is a member of another control plane, at %s, as %s (%s); "+
				"leave that one first by corral-agent leave, or join with --move, which does so",
				known(strings.Join(j.before.Servers, ", ")), j.before.Name, j.before.HostID).On(fault.Host)
		}
	}
	switch {
	case len(j.cfg.Server) == 0:
		return false, fault.New(fault.Invalid, "no control plane is configured; name one with --server")
	case token == "":
		return false, fault.New(fault.Invalid, "a join token is needed: --token with one from `corral-controlplane token create`")
	}
	return false, nil
}

func (j *joining) folders() []string {
	folders := []string{j.cfg.DataDir}
	if dir := j.cfg.Ollama.Settings.ModelsDir; dir != "" {
		folders = append(folders, dir)
	}
	return folders
}

// printPlan says what would be done, now and by the agent when it runs.
func (j *joining) printPlan(host *survey.Host) error {
	var lines []string
	switch {
	case j.forgotten:
		lines = append(lines, fmt.Sprintf("forget that this host was %s, which the control plane has removed", j.before.Name))
	case j.isMember:
		lines = append(lines, fmt.Sprintf("leave the control plane at %s, where this host is %s", known(strings.Join(j.before.Servers, ", ")), j.before.Name))
	}
	servers := make([]string, len(j.cfg.Server))
	for i, s := range j.cfg.Server {
		servers[i] = string(s)
	}
	lines = append(lines,
		"join the control plane at "+strings.Join(servers, ", "),
		fmt.Sprintf("keep this host's key and what it learns in %s", j.cfg.DataDir),
		"start nothing and stop nothing")
	_, err := fmt.Fprintf(j.out, "\nJoining would\n  - %s\n\nThe agent, once it runs, would %s.\n\n", strings.Join(lines, "\n  - "), j.intent(host))
	return err
}

// intent is what a running agent does about Ollama.
func (j *joining) intent(host *survey.Host) string {
	answers := host.Ollama.Err == nil
	ours := strings.HasPrefix(host.Ollama.Unit, "corral-ollama@")
	mode := j.cfg.Ollama.Mode
	switch {
	case mode == config.ModeSystemd && !answers, (mode == config.ModeSystemd || mode == config.ModeAuto) && ours:
		return fmt.Sprintf("have systemd run an Ollama at %s, as a unit of its own that goes on when the agent ends", j.cfg.Ollama.URL)
	case mode == config.ModeAttached || mode == config.ModeAuto && answers:
		return fmt.Sprintf("watch the Ollama at %s and pass requests on to it; it would not start, stop, restart or configure it", j.cfg.Ollama.URL)
	case answers:
		return fmt.Sprintf("start an Ollama of its own, but %s is taken by the one that answers there; give another --ollama-url, or --ollama-mode attached", j.cfg.Ollama.URL)
	}
	child := fmt.Sprintf("start an Ollama of its own at %s, as its child, and stop it when it ends", j.cfg.Ollama.URL)
	if mode == config.ModeAuto {
		child += "; as a service of systemd it would use its unit for Ollama instead, where that is installed"
	}
	return child
}

// agree asks, unless it was agreed already.
func (j *joining) agree(ctx context.Context) error {
	if j.yes {
		return nil
	}
	if !isTerminal(j.in) {
		return program.Usage(fault.New(fault.Invalid, "nothing was changed: there is no terminal to ask on; agree with --yes"))
	}
	fmt.Fprint(j.out, "Join? [y/N] ")
	// Reading from a terminal can't be broken off; who ends the program at the
	// question ends the reading with it.
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(j.in).ReadString('\n') // none is a no
		answers <- answer
	}()
	select {
	case answer := <-answers:
		if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(j.out)
	}
	return fault.New(fault.Conflict, "nothing was changed")
}

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// leaveFirst leaves the control plane that was joined before, at its own addresses.
func (j *joining) leaveFirst(ctx context.Context) error {
	cfg := j.cfg
	cfg.Server, cfg.Token = nil, config.Default().Token
	if _, _, err := j.agent(cfg).Leave(ctx, false); err != nil {
		return fmt.Errorf("leave the control plane that this host is a member of (corral-agent leave --force does without it): %w", err)
	}
	_, err := fmt.Fprintf(j.out, "Left %s.\n", known(strings.Join(j.before.Servers, ", ")))
	return err
}

func (j *joining) agent(cfg config.Config) *agent.Agent {
	return agent.New(cfg, j.version, program.NewLogger("corral-agent", cfg.LogLevel, cfg.LogFormat, j.errs))
}

// known is a text, or that there is none.
func known(text string) string {
	if text == "" {
		return "an address that is not known"
	}
	return text
}
