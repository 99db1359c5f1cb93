package relay

import (
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
