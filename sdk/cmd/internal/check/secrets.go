package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/corral-fleet/corral/sdk/host"
)

func keepsSecrets(ctx context.Context, s *subject) error {
	for name, secret := range s.config.Secrets {
		if len(secret) >= 4 && s.heard.contains(secret) {
			return fmt.Errorf("the secret %q is in what it logs", name)
		}
	}
	if len(s.description.Secrets) == 0 {
		return nil
	}
	const canary = "canary-3f9b1c77e2"
	return s.with(ctx, func(p *host.Process, _ instance) error {
		wrong := host.Configuration{JSON: s.config.JSON, Secrets: map[string]string{}}
		for _, name := range s.description.Secrets {
			wrong.Secrets[name] = canary
		}
		_, err := p.Check(ctx, wrong, true)
		if err != nil && bytes.Contains([]byte(err.Error()), []byte(canary)) {
			return errors.New("a secret is in the error that it returns")
		}
		if s.heard.contains(canary) {
			return errors.New("a secret is in what it logs")
		}
		return nil
	})
}

func passesNoSecrets(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, b instance) error {
		if err := b.Check(ctx); err != nil {
			return err
		}
		for _, pid := range family(p.PID()) {
			for _, file := range []string{"environ", "cmdline"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
				if err != nil {
					continue // it has ended
				}
				for name, secret := range s.config.Secrets {
					if len(secret) >= 4 && bytes.Contains(text, []byte(secret)) {
						return fmt.Errorf("the secret %q is in the %s of a process", name, map[string]string{"environ": "environment", "cmdline": "arguments"}[file])
					}
				}
			}
		}
		return nil
	})
}
