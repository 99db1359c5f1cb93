package xid

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// record is one of the kernel log.
type record struct {
	sequence uint64
	sinceUp  time.Duration // since the host was started, not counting sleep
	text     string
}

// parseRecord reads a record as /dev/kmsg gives it:
//
//	4,1234,5678901,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=a, GPU has fallen off the bus.
//
// The numbers are the priority, the record's own, and microseconds.
func parseRecord(line string) (record, bool) {
	head, text, ok := strings.Cut(line, ";")
	if !ok || strings.HasPrefix(line, " ") { // a line with a space belongs to the record before it
		return record{}, false
	}
	_, rest, _ := strings.Cut(head, ",")
	sequence, rest, _ := strings.Cut(rest, ",")
	micros, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil {
		return record{}, false
	}
	us, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || us < 0 || us > int64(maxUptime/time.Microsecond) {
		return record{}, false
	}
	return record{sequence: n, sinceUp: time.Duration(us) * time.Microsecond, text: text}, true
}

const maxUptime = 100 * 365 * 24 * time.Hour

const (
	ours     = "NVRM: "
	fellText = "fallen off the bus"
)

// parser finds events among the texts of the log. One that fell off the bus may
// be named in a text before the one that says so.
type parser struct{ named string }

// parse returns the event that a text tells of, if any.
func (p *parser) parse(text string) (gpu.Event, bool) {
	_, said, ok := strings.Cut(text, ours)
	if !ok {
		return gpu.Event{}, false
	}
	if rest, ok := strings.CutPrefix(said, "Xid ("); ok {
		return parseXid(rest, text)
	}
	if address := addressIn(said); address != "" {
		p.named = address
	}
	if !strings.Contains(said, fellText) {
		return gpu.Event{}, false
	}
	e := gpu.Event{Address: p.named, Text: strings.TrimSpace(text)}
	Describe(&e)
	return e, true
}

// parseXid reads what follows "Xid (": an address, a number, and details. Older
// drivers write the address without "PCI:", and neither process nor name.
func parseXid(rest, text string) (gpu.Event, bool) {
	address, rest, ok := strings.Cut(rest, "): ")
	if !ok {
		return gpu.Event{}, false
	}
	number, details, _ := strings.Cut(rest, ",")
	code, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	if err != nil {
		return gpu.Event{}, false
	}
	e := gpu.Event{Address: addressIn(address), Xid: gpu.Of(uint32(code)), Text: strings.TrimSpace(text)}
	for part := range strings.SplitSeq(details, ",") {
		part = strings.TrimSpace(part)
		if name, ok := strings.CutPrefix(part, "name="); ok && e.Process == "" {
			e.Process = name
		}
		pid, ok := strings.CutPrefix(part, "pid=")
		if n, err := strconv.ParseUint(strings.Trim(pid, "'"), 10, 32); ok && err == nil {
			e.PID = gpu.Of(uint32(n))
		}
	}
	Describe(&e)
	return e, true
}

// addressIn returns the first address of PCI in a text, written as sysfs does,
// or "". The driver leaves out the function, and writes domains of any length.
func addressIn(text string) string {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.", r) }) {
		word, _, _ = strings.Cut(strings.Trim(word, ":."), ".")
		parts := strings.Split(word, ":")
		if len(parts) == 4 { // the C of PCI is a digit, too
			parts = parts[1:]
		}
		if len(parts) != 3 || len(parts[0]) < 4 {
			continue
		}
		if a := address(parts); a != "" {
			return a
		}
	}
	return ""
}

func address(parts []string) string {
	var n [3]uint64
	for i, bits := range [3]int{32, 8, 5} {
		v, err := strconv.ParseUint(parts[i], 16, bits)
		if err != nil {
			return ""
		}
		n[i] = v
	}
	return fmt.Sprintf("%04x:%02x:%02x.0", n[0], n[1], n[2])
}
