package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// arrivalEvery is how often is looked whether a model has arrived.
	arrivalEvery = 300 * time.Millisecond
	// grace is after how long no operation for something counts as: none is needed. They
	// begin well within a second.
	grace = 3 * time.Second
	// absence is how long a control plane may be away from who waits.
	absence = time.Minute
)

// arrival is that a model comes to where it is to be: into its storage, and to hosts.
type arrival struct {
	client *client.Client
	gauges *gauges
	model  string          // its id or name
	past   map[string]bool // operations that had ended before it was asked for
	stored bool            // it is in its storage
	hosts  []string        // ids or names of those that are waited for; empty is all that get it and can be reached
	nobody bool            // no host is waited for

	began  time.Time
	absent []string // names of hosts that can't be reached, and get it later
}

// newArrival is that of a model which has just come, with the hosts that are to have it.
func newArrival(c *client.Client, m *client.Model, past map[string]bool, hosts []string) *arrival {
	a := &arrival{client: c, model: cmp.Or(m.ID, m.Name), past: past, hosts: hosts, nobody: len(hosts) == 0}
	if slices.Contains(hosts, client.AllHosts) {
		a.hosts = nil
	}
	return a
}

// past returns the operations that have ended, of which nobody waits for one.
func past(ctx context.Context, c *client.Client) (map[string]bool, error) {
	all, err := c.Operations(ctx, client.OperationQuery{})
	ended := map[string]bool{}
	for i := range all {
		if all[i].State.Ended() {
			ended[all[i].ID] = true
		}
	}
	return ended, err
}

// wait returns the model when it has arrived. What has failed for good is an error.
func (a *arrival) wait(ctx context.Context) (*client.Model, error) {
	tick := time.NewTicker(arrivalEvery)
	defer tick.Stop()
	a.began = time.Now()
	heard := a.began
	for {
		m, done, err := a.look(ctx)
		switch {
		case err == nil && done:
			return m, nil
		case err == nil:
			heard = time.Now()
		case fault.KindOf(err) != fault.Unavailable || time.Since(heard) > absence:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

func (a *arrival) look(ctx context.Context) (m *client.Model, done bool, err error) {
	m, err = a.client.Model(ctx, a.model)
	if fault.KindOf(err) == fault.NotFound && !a.stored && time.Since(a.began) < grace {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	operations, err := a.operations(ctx, m)
	if err != nil {
		return nil, false, err
	}
	if !a.stored {
		if a.stored, err = a.isStored(m, operations); err != nil || !a.stored {
			return m, false, err
		}
	}
	if a.nobody {
		return m, true, nil
	}
	done, err = a.hasArrived(operations)
	return m, done, err
}

// operations returns the latest of each kind and host of those that count, and shows them.
func (a *arrival) operations(ctx context.Context, m *client.Model) (map[string]*client.Operation, error) {
	all, err := a.client.Operations(ctx, client.OperationQuery{Model: m.ID})
	if err != nil {
		return nil, err
	}
	latest := map[string]*client.Operation{}
	for i := range all {
		o := &all[i]
		if key := o.Kind + " " + o.HostID; latest[key] == nil && !a.past[o.ID] {
			latest[key] = o
			if o.Kind == "upload" { // which was shown while it was sent
				continue
			}
			a.gauges.set(o.ID, operationReading(o))
		}
	}
	return latest, nil
}

// isStored reports whether the files of a model are where they are to be kept.
func (a *arrival) isStored(m *client.Model, operations map[string]*client.Operation) (bool, error) {
	done := false
	for _, kind := range []string{"upload ", "store "} {
		switch o := operations[kind]; {
		case o == nil:
		case !o.State.Ended():
			return false, nil
		case o.State != client.OperationDone:
			return false, fault.New(fault.Conflict, "%s", operationFailure(o))
		default:
			done = kind == "store "
		}
	}
	switch {
	case done:
		return true, nil
	case m.Status == "failed" && len(m.Problems) > 0:
		return false, fault.New(fault.Conflict, "model %s can't be used: %s", m.Name, m.Problems[0])
	}
	return m.Status != "uploading" && len(m.Files) > 0 && time.Since(a.began) > grace, nil
}

// hasArrived reports whether the hosts have a model. A host that has something to do for it
// has an operation from the beginning. Those where that failed for good are an error, once
// all others have it.
func (a *arrival) hasArrived(operations map[string]*client.Operation) (bool, error) {
	var failed []*client.Operation
	awaited, waiting := 0, false
	a.absent = nil
	for _, key := range slices.Sorted(maps.Keys(operations)) {
		o := operations[key]
		if o.Kind != "download" || !a.means(o) {
			continue
		}
		awaited++
		switch {
		case o.State == client.OperationDone:
		case o.State.Ended():
			failed = append(failed, o)
		case o.Reason == client.WaitsForHost && len(a.hosts) == 0:
			a.absent = append(a.absent, o.Host)
		default:
			waiting = true
		}
	}
	switch {
	case waiting:
		return false, nil
	case len(failed) == 1 && awaited == 1:
		return false, fault.New(fault.Conflict, "%s", operationFailure(failed[0]))
	case len(failed) > 0:
		return false, fault.New(fault.Conflict, "%d of %d hosts did not get it; one of them: %s", len(failed), awaited, operationFailure(failed[0]))
	}
	return true, nil
}

// means reports whether an operation is of a host that is waited for.
func (a *arrival) means(o *client.Operation) bool {
	return len(a.hosts) == 0 || slices.Contains(a.hosts, o.Host) || slices.Contains(a.hosts, o.HostID)
}

// arrived tells of a model that has arrived.
func (s *session) arrived(m *client.Model, absent []string) error {
	if s.output == outputJSON {
		return s.json(m)
	}
	text := fmt.Sprintf("model %s is %s", m.Name, m.Status)
	if hosts := hostsOf(m); hosts != "" {
		text += "; hosts: " + hosts
	}
	if _, err := fmt.Fprintln(s.Stdout, printable(text)); err != nil {
		return err
	}
	for _, name := range absent {
		if _, err := fmt.Fprintf(s.Stdout, "host %s can't be reached, and gets it when it is back\n", printable(name)); err != nil {
			return err
		}
	}
	return nil
}
