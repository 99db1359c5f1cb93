package cli

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) pluginShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show all that is known of a plugin, by its name, KIND/NAME or sha256", Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			list, err := c.Plugins(cmd.Context())
			if err != nil {
				return err
			}
			p, err := pluginNamed(list, args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(p)
			}
			return s.showPlugin(p)
		},
	}
}

// pluginNamed returns the plugin that somebody means.
func pluginNamed(list []client.Plugin, name string) (*client.Plugin, error) {
	var found *client.Plugin
	for i := range list {
		p := &list[i]
		if !isCalled(p, name) {
			continue
		}
		if found != nil && found.Kind != p.Kind {
			return nil, fault.New(fault.Invalid, "there are several plugins %q: say KIND/NAME, such as %s/%s", name, p.Kind, p.Name).On(fault.Caller)
		}
		found = p
	}
	if found == nil {
		return nil, fault.New(fault.NotFound, "there is no plugin %q; corral plugin list shows those that there are", name).On(fault.Caller)
	}
	return found, nil
}

// isCalled reports whether a name is one of a plugin's. A file that is not known to be
// one has its sha256 alone.
func isCalled(p *client.Plugin, name string) bool {
	switch name {
	case "":
		return false
	case p.SHA256:
		return true
	case p.Name, p.Kind + "/" + p.Name:
		return p.Name != ""
	}
	return false
}

func (s *session) showPlugin(p *client.Plugin) error {
	t := newTable(s.Stdout)
	if p.Name != "" {
		t.row("plugin", p.Kind+"/"+p.Name)
		t.row("version", join(" of ", p.Version, p.Publisher))
	}
	state := p.State
	if p.Since != nil {
		state += " for " + s.since(*p.Since)
	}
	t.row("state", state)
	if p.Message != "" {
		t.more(p.Message)
	}
	t.row("program", p.File)
	t.row("sha256", p.SHA256)
	if p.Trust != "" {
		t.row("to trust it", p.Trust)
	}
	if p.Name != "" {
		s.pluginProcess(t, p)
	}
	return errors.Join(t.flush(), s.pluginInstances(p), s.pluginCalls(p))
}

// pluginProcess adds what there is to say of a plugin's processes.
func (s *session) pluginProcess(t *table, p *client.Plugin) {
	t.row("rolls back to", p.Previous)
	if p.PID != 0 {
		up := ""
		if p.StartedAt != nil {
			up = "up " + s.since(*p.StartedAt)
		}
		cpu := time.Duration(p.Metrics.CPUMillis) * time.Millisecond
		t.row("process", join(", ", strconv.Itoa(p.PID), up, size(p.Metrics.RSSBytes), cpu.String()+" of CPU time"))
	}
	t.row("restarts", strconv.Itoa(p.Restarts))
	if p.LastExit != nil {
		t.row("ended", fmt.Sprintf("%s, %s ago", p.LastExit.How, s.since(p.LastExit.At)))
		t.more(p.LastExit.Latest...)
	}
	for i, sentence := range p.Unconfined {
		if i == 0 {
			t.row("unconfined", sentence)
		} else {
			t.more(sentence)
		}
	}
	t.row("sent", humanize.IBytes(uint64(max(0, p.Metrics.BytesSent))))
	t.row("received", humanize.IBytes(uint64(max(0, p.Metrics.BytesReceived))))
	t.row("calls", fmt.Sprintf("%d under way, %d failed", p.Metrics.InFlight, p.Metrics.Errors))
}

func (s *session) pluginInstances(p *client.Plugin) error {
	if len(p.Instances) == 0 {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "SERVES", "STATE", "BREAKER", "TRANSFERS", "MESSAGE")
	for _, i := range p.Instances {
		t.row(i.Name, i.State, i.Breaker, strconv.Itoa(i.Transfers), i.Message)
	}
	return t.flush()
}

func (s *session) pluginCalls(p *client.Plugin) error {
	if len(p.Metrics.Calls) == 0 {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "CALL", "COUNT", "MEAN")
	for _, c := range p.Metrics.Calls {
		t.row(c.Name, strconv.FormatInt(c.Count, 10), fmt.Sprintf("%.1f ms", c.Millis))
	}
	return t.flush()
}
