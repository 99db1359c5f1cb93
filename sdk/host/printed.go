package host

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Bounds of what a plugin prints.
const (
	maxLineBytes   = 16 << 10 // of a line; what is more is cut
	keptLines      = 200
	linesPerSecond = 200
	lineBurst      = 1000
)

// handshakeLine is what a plugin prints when it serves: versions, address, protocol
// and certificate. Something may stand before it that was printed without an end.
var handshakeLine = regexp.MustCompile(`\d+\|\d+\|(?:unix|tcp)\|[^|]+\|grpc\|[A-Za-z0-9+/=]*(?:\|[a-z]*)?$`)

// printed takes what a plugin prints: into the log, at a bounded rate, and the
// latest lines into a ring for when it has died.
type printed struct {
	log    hclog.Logger
	redact func(line string) string
	now    func() time.Time

	mu      sync.Mutex
	latest  []string // a ring
	next    int
	room    float64 // lines that may be logged now
	at      time.Time
	skipped int
}

func newPrinted(log hclog.Logger, redact func(string) string, now func() time.Time) *printed {
	if redact == nil {
		redact = func(line string) string { return line }
	}
	return &printed{log: log, redact: redact, now: now, room: lineBurst, at: now()}
}

// readStdout hands on the line of the handshake, and logs what else comes until the
// stream ends.
func (p *printed) readStdout(from io.Reader, to io.Writer) {
	shaken := false
	p.each(from, func(line string) {
		if hit := handshakeLine.FindString(line); hit != "" && !shaken {
			shaken = true
			_, _ = io.WriteString(to, hit+"\n") // fails where nobody waits for it any more
			line = strings.TrimSuffix(line, hit)
		}
		if line != "" {
			p.take(hclog.Warn, "printed to stdout", []any{"line", line}, line)
		}
	})
}

// readStderr logs what comes until the stream ends.
func (p *printed) readStderr(from io.Reader) {
	p.each(from, func(line string) {
		level, message, fields := parse(line)
		p.take(level, message, fields, line)
	})
}

// each calls do with every line, cut where it is too long. It reads on whatever
// comes: a plugin whose pipe is full would stand still.
func (p *printed) each(from io.Reader, do func(line string)) {
	in := bufio.NewReaderSize(from, maxLineBytes)
	for {
		line, isPrefix, err := in.ReadLine()
		if err != nil {
			return
		}
		if text := strings.ToValidUTF8(string(line), "?"); text != "" {
			do(p.redact(text))
		}
		for isPrefix && err == nil {
			_, isPrefix, err = in.ReadLine()
		}
	}
}

// parse returns a line of hclog's JSON, or the whole line as its message.
func parse(line string) (level hclog.Level, message string, fields []any) {
	var values map[string]any
	if json.Unmarshal([]byte(line), &values) != nil {
		return hclog.Info, line, nil
	}
	text := func(key string) string {
		s, _ := values[key].(string)
		delete(values, key)
		return s
	}
	level, message = hclog.LevelFromString(text("@level")), text("@message")
	text("@timestamp")
	text("@module")
	text("@caller")
	if level == hclog.NoLevel || message == "" {
		return hclog.Info, line, nil
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, key, values[key])
	}
	return level, message, fields
}

// take logs a line if there is room for it. One that the host's level leaves out, as it
// is now, takes none.
func (p *printed) take(level hclog.Level, message string, fields []any, line string) {
	p.mu.Lock()
	if len(p.latest) < keptLines {
		p.latest = append(p.latest, line)
	} else {
		p.latest[p.next] = line
		p.next = (p.next + 1) % keptLines
	}
	if level < p.log.GetLevel() {
		p.mu.Unlock()
		return
	}
	now := p.now()
	p.room = min(p.room+now.Sub(p.at).Seconds()*linesPerSecond, lineBurst)
	p.at = now
	skipped := p.skipped
	if p.room < 1 {
		p.skipped++
		p.mu.Unlock()
		return
	}
	p.room--
	p.skipped = 0
	p.mu.Unlock()
	if skipped > 0 {
		p.log.Warn("the plugin prints more than is logged", "lines_skipped", skipped)
	}
	p.log.Log(level, message, fields...)
}

// lines returns the latest lines, oldest first.
func (p *printed) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(slices.Clone(p.latest[p.next:]), p.latest[:p.next]...)
}
