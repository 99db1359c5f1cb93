package chat

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// readLines returns every line, and the error after them.
func readLines(r io.Reader) (lines []string, err error) {
	in := NewLines(r)
	for {
		line, err := in.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("long", 10_000)
	for input, want := range map[string][]string{
		"":                          nil,
		"a\nb\n":                    {"a", "b"},
		"a\r\n\r\n \n b \n":         {"a", "b"},
		"a\ncut off":                {"a"},
		long + "\nshort\n" + long:   {long, "short"},
		"a\n" + long + "\n" + "b\n": {"a", long, "b"},
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(input), "bytes": iotest.OneByteReader(strings.NewReader(input)),
		} {
			got, err := readLines(r)
			if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
				t.Errorf("%.20q, %s: ends with %v (-want +got)\n%s", input, name, err, diff)
			}
		}
	}
}

func TestALineOverTheLimitIsAnErrorBeforeItIsAllThere(t *testing.T) {
	in := &io.LimitedReader{R: endless{}, N: 1 << 40}
	if _, err := readLines(in); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("error is %v", err)
	}
	if read := 1<<40 - in.N; read > 2*maxLineBytes {
		t.Errorf("%d bytes were read of it", read)
	}
	almost := strings.Repeat("x", maxLineBytes-1)
	if got, err := readLines(strings.NewReader(almost + "\n")); err != io.EOF || len(got) != 1 || got[0] != almost {
		t.Errorf("a line within the limit: %d lines, %v", len(got), err)
	}
}

func TestLinesPassErrorsOn(t *testing.T) {
	_, err := readLines(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc\n"))))
	if err != iotest.ErrTimeout { //nolint:errorlint // the very error that the reader gave
		t.Errorf("error is %v", err)
	}
}

// However the input comes in pieces, the lines are those between its newlines.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n"), uint8(1))
	f.Add([]byte("\r\n\n{}\ncut"), uint8(3))
	f.Add(bytes.Repeat([]byte("0123456789"), 1000), uint8(200))
	f.Fuzz(func(t *testing.T, input []byte, piece uint8) {
		var want []string
		for rest := input; ; {
			line, after, found := bytes.Cut(rest, []byte("\n"))
			if !found {
				break
			}
			if line = bytes.TrimSpace(line); len(line) > 0 {
				want = append(want, string(line))
			}
			rest = after
		}
		got, err := readLines(&pieces{rest: input, size: int(piece) + 1})
		if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
			t.Errorf("ends with %v (-want +got)\n%s", err, diff)
		}
	})
}

// pieces gives its bytes so many at a time.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
