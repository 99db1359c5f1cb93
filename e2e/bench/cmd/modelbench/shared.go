package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
	"github.com/corral-fleet/corral/sdk/client"
)

// What was promised of a model for many hosts, where the control plane sends so much a
// second and each host takes so much: how long it takes of the time for one of them, and
// how often the control plane sends it.
const (
	maxShared    = 1.5
	maxSent      = 1.5
	sharedRate   = 20_000_000 // bytes a second
	sharedRounds = 3          // at most; one takes a minute and a half
)

// shared is the scene of this part.
type shared struct {
	*scene

	sizeBytes int64
	hosts     []*host
}

// tour is how a model came to some hosts together.
type tour struct {
	seconds float64
	sent    float64 // by the control plane, of the model's size
}

func measureShared(ctx context.Context, st *stage.Stage, o options, progress io.Writer) (answer, error) {
	s, err := newShared(ctx, st, o)
	if err != nil {
		return answer{}, err
	}
	var alone, together []tour
	for round := range min(o.rounds, sharedRounds) {
		one, err := s.tour(ctx, s.hosts[round%len(s.hosts):][:1])
		if err != nil {
			return answer{}, fmt.Errorf("one host: %w", err)
		}
		all, err := s.tour(ctx, s.hosts)
		if err != nil {
			return answer{}, fmt.Errorf("%d hosts: %w", len(s.hosts), err)
		}
		fmt.Fprintf(progress, "%d: one host: %.2f s; %d hosts: %.2f s, %.2f sent\n", round+1, one.seconds, len(s.hosts), all.seconds, all.sent)
		alone, together = append(alone, one), append(together, all)
	}
	return s.answer(alone, together), nil
}

func newShared(ctx context.Context, st *stage.Stage, o options) (*shared, error) {
	sc, err := newScene(ctx, st, o)
	if err != nil {
		return nil, err
	}
	s := &shared{scene: sc}
	file, stored := filepath.Join(s.dir, "model.gguf"), filepath.Join(s.dir, "stored")
	if s.sizeBytes, err = writeModel(file, o.sharedMiB<<20); err != nil {
		return nil, err
	}
	if err := s.storage(ctx, "disk", "fs", map[string]string{"directory": stored}); err != nil {
		return nil, err
	}
	if err := s.store(ctx, onDisk, "disk", file); err != nil {
		return nil, err
	}
	for i := range o.hosts {
		// The hosts don't see the storage's folder, and let each other have what they get.
		h, err := s.host(ctx, "host-"+strconv.Itoa(i+1), append(without(stored), "env", "CORRAL_AGENT_PEER_LISTEN=127.0.0.1:0")...)
		if err != nil {
			return nil, err
		}
		s.hosts = append(s.hosts, h)
	}
	return s, s.limit(ctx)
}

// limit holds the control plane and each host to the rate.
func (s *shared) limit(ctx context.Context) error {
	body := fmt.Sprintf(`{"models":{"send_rate":%d,"fetch_rate":%d}}`, sharedRate, sharedRate)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cp.URL+"/api/config", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.cp.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the rates are not taken: status %d", res.StatusCode)
	}
	return nil
}

// tour brings the model to hosts together, and takes it away again.
func (s *shared) tour(ctx context.Context, hosts []*host) (t tour, err error) {
	syscall.Sync() // what was written before is not written meanwhile
	before, err := written(s.cp.PID())
	if err != nil {
		return t, err
	}
	if t.seconds, err = s.bringTo(ctx, hosts); err != nil {
		return t, err
	}
	after, err := written(s.cp.PID())
	if err != nil {
		return t, err
	}
	t.sent = float64(after-before) / float64(s.sizeBytes)
	return t, s.removeFrom(ctx, hosts)
}

// removeFrom has all hosts that have the model let go of it, and returns when nothing of it
// is there.
func (s *shared) removeFrom(ctx context.Context, hosts []*host) error {
	if _, err := s.api.DeleteModel(ctx, onDisk, client.Deletion{Hosts: namesOf(hosts)}); err != nil {
		return err
	}
	return await(ctx, bringLimit, func() error {
		is, err := s.api.Model(ctx, onDisk)
		if err != nil {
			return err
		}
		if len(is.WantedOn) > 0 || is.Progress != nil {
			return fmt.Errorf("the model is on its way from %v", is.WantedOn)
		}
		for _, h := range hosts {
			if err := empty(h.models); err != nil {
				return err
			}
		}
		return nil
	})
}

func namesOf(hosts []*host) []string {
	names := make([]string, 0, len(hosts))
	for _, h := range hosts {
		names = append(names, h.name)
	}
	return names
}

// bringTo has hosts get the model together, and returns how long that took until the last
// one had it, by the control plane's clock.
func (s *shared) bringTo(ctx context.Context, hosts []*host) (seconds float64, err error) {
	old := map[string]bool{}
	list, err := s.api.Operations(ctx, client.OperationQuery{Model: onDisk})
	if err != nil {
		return 0, err
	}
	for _, op := range list {
		old[op.ID] = true
	}
	began := time.Now()
	if _, err := s.api.DownloadModel(ctx, onDisk, client.Placement{Hosts: namesOf(hosts)}); err != nil {
		return 0, err
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = await(limited, bringLimit, func() error {
		var last time.Time
		for _, h := range hosts {
			op, err := s.operation(limited, onDisk, h.name, old)
			switch {
			case err != nil:
				return err
			case op == nil:
				return fmt.Errorf("nothing comes to %s", h.name)
			case op.State == client.OperationFailed, op.State == client.OperationCancelled, op.Error != "":
				err := fmt.Errorf("the operation is %s on %s: %s\n%s", op.State, h.name, op.Error, h.agent.Output())
				cancel(err)
				return err
			case op.State != client.OperationDone:
				return fmt.Errorf("on %s the operation is still %s: %s", h.name, op.State, op.Phase)
			case op.EndedAt.After(last):
				last = op.EndedAt
			}
		}
		seconds = last.Sub(began).Seconds()
		return nil
	})
	return seconds, err
}

// written returns how many bytes a process has written so far, to files and connections.
func written(pid int) (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "wchar:"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("the kernel doesn't say what the process %d has written", pid)
}

// answer puts the figures into words.
func (s *shared) answer(alone, together []tour) answer {
	var one, all, ratios, sent []float64
	most := 0.0
	for i := range together {
		one, all = append(one, alone[i].seconds), append(all, together[i].seconds)
		ratios, sent = append(ratios, together[i].seconds/alone[i].seconds), append(sent, together[i].sent)
		most = max(most, together[i].sent)
	}
	row := func(name string, seconds []float64, ratio float64, sent []float64) []string {
		return []string{name, fmt.Sprintf("%.1f", middle(seconds)), fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", middle(sent))}
	}
	first := make([]float64, 0, len(alone))
	for _, t := range alone {
		first = append(first, t.sent)
	}
	many := fmt.Sprintf("%d hosts", len(s.hosts))
	ratio := middle(ratios)
	return answer{
		table: report.Table{
			Header: []string{fmt.Sprintf("%.0f MiB, %d MB/s", float64(s.sizeBytes)/(1<<20), sharedRate/1_000_000), "seconds", "of one host", "copies that the control plane sends"},
			Rows:   [][]string{row("one host", one, 1, first), row(many, all, ratio, sent)},
		},
		targets: []report.Target{
			report.AtMost(many+", of the time for one", "%.2f", maxShared, ratio),
			report.AtMost(many+", copies that the control plane sends", "%.2f", maxSent, most),
		},
		notes: []string{
			fmt.Sprintf("For the hosts that get a model together, `models.send_rate` and `models.fetch_rate` are %d MB/s, and each agent has a `peer.listen`; what hosts send to each other is not limited. Medians of %d rounds. Time ends when the last host has it.", sharedRate/1_000_000, len(together)),
			"What the control plane sends is all that its process wrote meanwhile, of the model's size.",
		},
	}
}
