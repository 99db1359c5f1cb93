package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) queueCommand() *cobra.Command {
	return group("queue", "See who waits for a model", s.queueListCommand())
}

func (s *session) queueListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models that requests wait for", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			queues, err := c.Queues(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(queues)
			}
			return s.showQueues(queues)
		},
	}
}

func (s *session) showQueues(queues []client.Queue) error {
	if len(queues) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "nobody waits")
		return err
	}
	t := newTable(s.Stdout, "MODEL", "WAITING", "SERVED", "PLACES")
	for _, q := range queues {
		t.row(q.Model, strconv.Itoa(q.Waiting), strconv.Itoa(q.Serving), strconv.Itoa(q.Places))
	}
	return t.flush()
}
