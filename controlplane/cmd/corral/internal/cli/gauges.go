package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	// lineEvery is how often a line says how far something is, where there is no terminal.
	lineEvery = time.Second
	// barColumns is how wide a bar is on a terminal.
	barColumns = 24
)

// gauges show how far things are that take a while: by bars on a terminal, and else by a
// line a second for each of them that changes. Their methods may be called concurrently.
type gauges struct {
	w    io.Writer
	bars *mpb.Progress // nil where there is no terminal

	mu   sync.Mutex
	byID map[string]*gauge
}

// gauge is one of them, and what it shows.
type gauge struct {
	bar   *mpb.Bar               // nil where there is no terminal
	text  atomic.Pointer[string] // which a bar reads while it is being set
	shown time.Time              // when a line was printed
	ended bool
}

// reading is how far something is.
type reading struct {
	label       string // what it is, which stays
	text        string // how far it is, in words
	done, total int64  // of anything; a total of 0 is unknown
	ended       bool
}

// gauges returns gauges on standard error, since the result goes to standard output. They
// have to be closed before something else is printed.
func (s *session) gauges() *gauges {
	g := &gauges{w: s.Stderr, byID: map[string]*gauge{}}
	if isTerminal(s.Stderr) {
		g.bars = mpb.New(mpb.WithConsoleWriter(console{cupwriter.New(s.Stderr, false)}))
	}
	return g
}

// console draws bars from the first column on, wherever the cursor is: a terminal shows what
// is typed meanwhile, such as ^C.
type console struct{ *cupwriter.Writer }

// Flush implements [mpb.ConsoleWriter].
func (c console) Flush(lines int) error {
	if err := c.Writer.Flush(lines); err != nil {
		return err
	}
	return c.WriteByte('\r') // before what is drawn next
}

// isTerminal reports whether something that is read or written is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// set shows how far something is. What has ended stays as it is.
func (g *gauges) set(id string, r reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	is := g.byID[id]
	if is == nil {
		is = &gauge{}
		is.text.Store(new(""))
		if g.bars != nil {
			is.bar = g.newBar(printable(r.label), is)
		}
		g.byID[id] = is
	}
	text := printable(r.text)
	if is.ended || text == *is.text.Load() && !r.ended {
		return
	}
	is.text.Store(&text)
	is.ended = r.ended
	if is.bar == nil {
		g.line(is, r.label)
		return
	}
	is.bar.SetTotal(max(r.total, 1), false)
	is.bar.SetCurrent(r.done)
	if r.ended {
		is.bar.Abort(false)
	}
}

func (g *gauges) newBar(label string, is *gauge) *mpb.Bar {
	// Without a total a bar ends only when it is told to: it would stay as it is otherwise
	// from the first moment on at which as much is done as it began with.
	return g.bars.New(0, mpb.BarStyle().Tip("="), mpb.BarWidth(barColumns),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string { return bounded(label, s.AvailableWidth/2) }, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *is.text.Load() })))
}

// bounded returns the beginning of a label where it has more columns than that: how far
// something is says more than the end of a name.
func bounded(label string, columns int) string {
	if r := []rune(label); columns > 0 && len(r) > columns {
		return string(r[:columns-1]) + "…"
	}
	return label
}

// line prints a line, unless there was one within the last second. g.mu is held.
func (g *gauges) line(is *gauge, label string) {
	now := time.Now()
	if now.Sub(is.shown) < lineEvery && !is.ended {
		return
	}
	is.shown = now
	fmt.Fprintf(g.w, "%s: %s\n", printable(label), *is.text.Load())
}

// close has what was shown stay as it is.
func (g *gauges) close() {
	if g.bars == nil {
		return
	}
	g.mu.Lock()
	bars := make([]*mpb.Bar, 0, len(g.byID))
	for _, is := range g.byID {
		bars = append(bars, is.bar)
	}
	g.mu.Unlock()
	for _, bar := range bars {
		bar.Abort(false)
	}
	g.bars.Wait()
}
