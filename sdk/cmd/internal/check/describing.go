package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/host"
)

// describeWithin is how long a plugin may take to say by hand what it is.
const describeWithin = 2 * time.Second

func describes(ctx context.Context, s *subject) error {
	var first []byte
	quickest := time.Duration(math.MaxInt64) // the machine may have been busy
	for range 3 {
		cmd := exec.CommandContext(ctx, s.Plugin, "describe")
		cmd.Env, cmd.Dir = []string{}, "/"
		began := time.Now()
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("describe: %w", err)
		}
		quickest = min(quickest, time.Since(began))
		if !json.Valid(out) {
			return fmt.Errorf("it printed %.100q", out)
		}
		if first != nil && !bytes.Equal(first, out) {
			return errors.New("it printed something else than before")
		}
		first = out
	}
	if quickest > describeWithin {
		return fmt.Errorf("it took %v", quickest)
	}
	return nil
}

func describesAlike(ctx context.Context, s *subject) error {
	cmd := exec.CommandContext(ctx, s.Plugin, "describe")
	cmd.Env = []string{}
	byHand, err := cmd.Output()
	if err != nil {
		return err
	}
	return s.with(ctx, func(p *host.Process, _ instance) error {
		toHost, err := p.Describe(ctx)
		if err != nil {
			return err
		}
		var a, b bytes.Buffer
		if err := errors.Join(json.Compact(&a, byHand), json.Compact(&b, toHost)); err != nil {
			return err
		}
		if a.String() != b.String() {
			return fmt.Errorf("by hand %s, to its host %s", &a, &b)
		}
		return nil
	})
}

var pluginName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func describesAll(_ context.Context, s *subject) error {
	d := s.description
	var schema struct {
		Type       string          `json:"type"`
		Additional json.RawMessage `json:"additionalProperties"`
	}
	var errs []error
	if !pluginName.MatchString(d.Name) || d.Version == "" || d.Kind == "" || !slices.Contains(d.Protocols, 1) {
		errs = append(errs, fmt.Errorf("kind %q, name %q, version %q, protocols %v", d.Kind, d.Name, d.Version, d.Protocols))
	}
	if err := json.Unmarshal(d.Schema, &schema); err != nil || schema.Type != "object" || string(schema.Additional) != "false" {
		errs = append(errs, fmt.Errorf("its schema is not of an object without additional properties: %.200s", d.Schema))
	}
	return errors.Join(errs...)
}

func saysWhatItIs(ctx context.Context, s *subject) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Plugin)
	cmd.Env, cmd.Dir = append([]string{}, s.Env...), "/"
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("it ends with %w", err)
	}
	if len(out) == 0 {
		return errors.New("it prints nothing")
	}
	return nil
}
