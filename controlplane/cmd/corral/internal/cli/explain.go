package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain ID", Short: "Say why a request went to its host, by the id in its answer's Corral-Decision", Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			d, err := c.Decision(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(d)
			}
			return s.showDecision(d)
		},
	}
}

func (s *session) showDecision(d *client.Decision) error {
	t := newTable(s.Stdout)
	t.row("decision", d.ID)
	t.row("at", d.At.UTC().Format(time.DateTime))
	t.row("model", d.Model)
	t.row("call", join(", ", d.Path, count(d.PromptBytes, "byte")+" of prompt", limit(d.MaxTokens)))
	if len(d.Options) > 0 {
		t.row("options", join(" ", d.Options...))
	}
	if d.QueuedSeconds > 0 {
		t.row("queued", seconds(d.QueuedSeconds))
	}
	t.row("host", join(", ", d.Host, d.Instance))
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.Stdout)
	t = newTable(s.Stdout, "HOST", "OLLAMA", "COST", "TOTAL", "WAIT", "LOAD", "PROMPT", "ANSWER", "BUSY", "IN MEMORY", "WHY")
	for i := range d.Candidates {
		candidate(t, &d.Candidates[i])
	}
	if err := t.flush(); err != nil {
		return err
	}
	if more := d.Considered - len(d.Candidates); more > 0 {
		_, err := fmt.Fprintf(s.Stdout, "and %d more, none of them better\n", more)
		return err
	}
	return nil
}

// candidate adds an instance to the table.
func candidate(t *table, c *client.Candidate) {
	if c.Price == nil {
		t.row(c.Host, c.Instance, "", "", "", "", "", "", "", "", c.Why)
		return
	}
	inMemory := "no"
	if c.Loaded {
		inMemory = "yes"
	}
	p := c.Price
	t.row(c.Host, c.Instance, seconds(p.CostSeconds), seconds(p.TotalSeconds), seconds(p.WaitSeconds), seconds(p.LoadSeconds), seconds(p.PromptSeconds),
		seconds(p.GenerationSeconds), fmt.Sprintf("%d of %d", c.InFlight, c.Slots), inMemory, c.Why)
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) + "s" }

// limit is how long an answer may be.
func limit(maxTokens *int) string {
	if maxTokens == nil {
		return "an answer of any length"
	}
	return "at most " + strconv.Itoa(*maxTokens) + " tokens"
}
