package relay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// HostField is the header field that says which host gave an answer.
const HostField = "Corral-Host"

// HostHeader returns the field for an answer that came from there. A header has
// ASCII alone: what else a name holds, and the percent sign, is percent-encoded,
// as encodeURIComponent does it.
func HostHeader(from fleet.Target) edge.HeaderField {
	return edge.HeaderField{Name: HostField, Value: escape(from.Host)}
}

// DecisionField is the header field with the id of the routing decision that
// sent a request to its host.
const DecisionField = "Corral-Decision"

// AnswerHeader returns the fields for an answer: who gave it, and by which
// decision they were asked, which is empty where nobody decided.
func AnswerHeader(from fleet.Target, decision string) []edge.HeaderField {
	header := []edge.HeaderField{HostHeader(from)}
	if decision != "" {
		header = append(header, edge.HeaderField{Name: DecisionField, Value: decision})
	}
	return header
}

// Explained returns an error of a request that was sent to a host with the field
// that names the decision, and any other error as it is.
func Explained(err error) error {
	if decided, ok := errors.AsType[*fleet.DecidedError](err); ok && decided.Decision != "" {
		return edge.WithField(err, edge.HeaderField{Name: DecisionField, Value: decided.Decision})
	}
	return err
}

func escape(name string) string {
	plain := func(c byte) bool { return c >= ' ' && c < 0x7f && c != '%' }
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
