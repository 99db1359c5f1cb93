package ollama

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
)

// orphanGrace is what Ollama gets to end by itself when the agent was killed.
const orphanGrace = time.Second

// start starts the program, or says why it can't.
func (m *manager) start(ctx context.Context) (child *keeper.Child, at string, blocked ending) {
	block := func(reason, format string, args ...any) (*keeper.Child, string, ending) {
		return nil, "", ending{blocked: reason, message: fmt.Sprintf(format, args...)}
	}
	left, err := keeper.Sweep(m.owner())
	if err != nil {
		return block(ReasonStartFailed, "What is left of the last Ollama could not be looked for: %v.", err)
	}
	if len(left) > 0 {
		return block(ReasonUnkillable, "The last Ollama does not end even when killed (processes %v wait in the kernel, mostly for a GPU); the host probably needs a reboot.", left)
	}
	bin, err := exec.LookPath(m.cfg.Bin)
	if err != nil {
		return block(ReasonMissingBinary, "There is no program %q; install Ollama or say where it is.", m.cfg.Bin)
	}
	port := m.port
	if port == 0 {
		port = m.freePort // the one from before, so that nobody has to look for it
	}
	at, err = claim(ctx, m.host, port)
	if errors.Is(err, errTaken) && m.port == 0 {
		at, err = claim(ctx, m.host, 0)
	}
	if errors.Is(err, errTaken) {
		return block(ReasonPortConflict, "Port %d is in use by %s; stop that, or give this Ollama another address.", port, ownerOf(m.host, port))
	}
	if err != nil {
		return block(ReasonStartFailed, "Ollama can't listen at %s: %v.", m.host, err)
	}
	if addr, err := net.ResolveTCPAddr("tcp", at); err == nil && m.port == 0 {
		m.freePort = uint16(addr.Port)
	}
	if err := m.output.Begin(); err != nil {
		m.log.Warn("output of ollama is not kept", "error", err)
	}
	if _, at, err := m.output.Tail(0); err == nil {
		m.outputRun = at.Run
	}
	child, err = keeper.Start(m.cfg.Keeper, keeper.Spec{
		Owner: m.owner(), Path: bin, Args: []string{"serve"}, Dir: m.cfg.DataDir,
		Env:       serverEnv(os.Environ(), m.cfg.Settings, at, m.cfg.DataDir),
		StopGrace: m.cfg.Timing.StopGrace, OrphanGrace: orphanGrace,
	}, &drain{log: m.output, complain: func(err error) { m.log.Warn("output of ollama is lost", "error", err) }})
	if err != nil {
		m.output.Close() // nothing was written to it
		return block(ReasonStartFailed, "Ollama could not be started: %v.", err)
	}
	return child, at, ending{}
}

// drain passes on what Ollama writes and never fails: a program whose output
// nobody takes would stand still. It complains once.
type drain struct {
	log      io.Writer
	complain func(error)
	told     bool
}

func (d *drain) Write(b []byte) (int, error) {
	if _, err := d.log.Write(b); err != nil && !d.told {
		d.told = true
		d.complain(err)
	}
	return len(b), nil
}

// endingOf puts an end that was not ours into words.
func (m *manager) endingOf(exit keeper.Exit, at string) ending {
	lines, _, err := m.output.Tail(4)
	if err != nil {
		m.log.Warn("output of ollama not read", "error", err)
	}
	var last []string
	for _, l := range lines {
		if l.Next.Run != m.outputRun {
			continue // of an earlier life
		}
		last = append(last, strings.ToValidUTF8(l.Text[:min(len(l.Text), 300)], "…"))
	}
	words := strings.Join(last, "\n")
	switch {
	case exit.Lost:
		return ending{cause: CauseKeeperLost, message: "The keeper process of Ollama was killed, which ends Ollama as well."}
	case exit.Signal != "":
		return ending{cause: CauseKilled, message: fmt.Sprintf("Ollama was ended by a signal (%s). Its last words: %s", exit.Signal, words)}
	case strings.Contains(words, "address already in use"):
		return ending{blocked: ReasonPortConflict, message: fmt.Sprintf("Somebody else took %s before Ollama did.", at)}
	}
	return ending{cause: CauseExited, message: fmt.Sprintf("Ollama ended with status %d. Its last words: %s", exit.Code, words)}
}
