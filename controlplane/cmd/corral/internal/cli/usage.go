package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) usageCommand() *cobra.Command {
	var (
		by       string
		since    time.Duration
		limit    int
		requests bool
	)
	cmd := &cobra.Command{
		Use: "usage", Short: "Show what requests to models used", Args: exactly(),
		Long: `Show what requests to models used: added up by key, model, host or day, or one
by one. Totals are of whole hours. Without the role operator it is the usage of
the key that asks.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return fault.New(fault.Invalid, "--since is how far back to look, such as 24h, not %v", since).On(fault.Caller)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			now := s.Now()
			of := client.UsageRange{From: now.Add(-since), To: now, Limit: limit}
			if requests {
				page, err := c.UsageRequests(cmd.Context(), of, "")
				if err != nil {
					return err
				}
				return s.showRequests(page)
			}
			totals, err := c.Usage(cmd.Context(), of, client.UsageGroup(by))
			if err != nil {
				return err
			}
			return s.showTotals(totals)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&by, "by", "model", "key, model, host or day")
	flags.DurationVar(&since, "since", 24*time.Hour, "how far back to look")
	flags.IntVarP(&limit, "limit", "n", 20, "how many rows, at most 1000")
	flags.BoolVar(&requests, "requests", false, "show the requests one by one, newest first")
	return cmd
}

func (s *session) showTotals(totals *client.UsageTotals) error {
	if s.output == outputJSON {
		return s.json(totals)
	}
	if len(totals.Totals) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "there were no requests")
		return err
	}
	t := newTable(s.Stdout, strings.ToUpper(string(totals.By)), "REQUESTS", "FAILED", "GIVEN UP", "PROMPT TOKENS", "TOKENS", "FIRST TOKEN")
	for i := range totals.Totals {
		u := &totals.Totals[i]
		prompt, generated := "", ""
		if u.Counted > 0 {
			prompt, generated = strconv.FormatInt(u.Prompt, 10), strconv.FormatInt(u.Generated, 10)
		}
		t.row(cmp.Or(u.Name, u.ID), strconv.FormatInt(u.Requests, 10), strconv.FormatInt(u.Failed, 10), strconv.FormatInt(u.GivenUp, 10),
			prompt, generated, milliseconds(u.FirstMS))
	}
	return t.flush()
}

func (s *session) showRequests(page *client.UsagePage) error {
	if s.output == outputJSON {
		return s.json(page)
	}
	if len(page.Requests) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "there were no requests")
		return err
	}
	t := newTable(s.Stdout, "AT", "KEY", "MODEL", "HOST", "OUTCOME", "PROMPT TOKENS", "TOKENS", "PER SECOND", "FIRST TOKEN", "TOTAL")
	for i := range page.Requests {
		r := &page.Requests[i]
		outcome, perSecond := r.Outcome, ""
		if r.Error != "" {
			outcome += ", " + r.Error
		}
		if r.PerSecond != nil {
			perSecond = strconv.FormatFloat(*r.PerSecond, 'f', 1, 64)
		}
		t.row(r.At.UTC().Format("2006-01-02 15:04:05"), r.Key, cmp.Or(r.Model, r.Asked), r.Host, outcome,
			number(r.Prompt), number(r.Generated), perSecond, milliseconds(r.FirstMS), milliseconds(&r.TotalMS))
	}
	return t.flush()
}

// number is a count for people, nil for unknown.
func number(n *int64) string {
	if n == nil {
		return unknown
	}
	return strconv.FormatInt(*n, 10)
}

// milliseconds is a time for people, nil for unknown.
func milliseconds(ms *float64) string {
	if ms == nil {
		return unknown
	}
	return time.Duration(*ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}
