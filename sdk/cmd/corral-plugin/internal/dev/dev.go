// Package dev runs a plugin while it is written: as Corral runs it, again with each
// change, and with a shell to try it.
package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/gotool"
)

// Options say what is run and how.
type Options struct {
	Target gotool.Target
	Config string // file with the configuration of an instance; "" is an empty one
	Env    []string
	Log    hclog.Logger // gets what the plugin logs and prints
	In     io.Reader    // commands, one a line; its end ends the session
	Out    io.Writer
	Prompt bool // whether somebody types the commands
}

// Run runs a session until its commands end or the context does.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "dev")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	changed, err := watch(o.Target, o.Config)
	if err != nil {
		return err
	}
	defer changed.close()
	s := &session{Options: o, dir: dir}
	defer s.stop()
	s.reload(ctx)
	lines, ended := readLines(ctx, o.In)
	for {
		if o.Prompt {
			fmt.Fprint(o.Out, "> ")
		}
		select {
		case <-ctx.Done():
			return nil // that somebody has had enough is how a session ends
		case err, more := <-changed.events:
			if !more || err != nil {
				return err
			}
			fmt.Fprintln(o.Out, "it has changed")
			s.reload(ctx)
		case <-s.died():
			s.bury()
		case line, more := <-lines:
			if !more {
				return <-ended
			}
			if quit := s.obey(ctx, line); quit {
				return nil
			}
		}
	}
}

// readLines sends each line of a reader until that ends, and then how it did. A read
// that waits for a terminal ends with the program.
func readLines(ctx context.Context, in io.Reader) (<-chan string, <-chan error) {
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
		ended <- scanner.Err()
	}()
	return lines, ended
}
