package uploadapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// whole is a part, read to its end.
type whole struct{ name, filename, content string }

// ours and theirs read all parts of a form, by what is tried and by the standard library.
func ours(from io.Reader, boundary string, size int) (all []whole, err error) {
	parts, err := newParts(from, boundary)
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, size)
	for {
		is, err := parts.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		var content []byte
		for err == nil {
			var n int
			n, err = is.Read(buffer)
			content = append(content, buffer[:n]...)
		}
		if err != io.EOF {
			return all, err
		}
		all = append(all, whole{is.name, is.filename, string(content)})
	}
}

func theirs(from io.Reader, boundary string) (all []whole, err error) {
	parts := multipart.NewReader(from, boundary)
	for {
		is, err := parts.NextRawPart()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		content, err := io.ReadAll(is)
		if err != nil {
			return all, err
		}
		all = append(all, whole{is.FormName(), is.FileName(), string(content)})
	}
}

// in writes a form with parts that have these contents, each a file.
func in(boundary string, contents ...string) string {
	var b strings.Builder
	for i, c := range contents {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f%d\"\r\n\r\n%s\r\n", boundary, i, c)
	}
	return b.String() + "--" + boundary + "--\r\n"
}

var hostile = []string{
	"", "\r", "\n", "\r\n", "\r\n\r\n", "--", "--bb", "\r\n--", "\r\n-", "\r\n--a", "\r\n--bb\r\n", "\r\n--b-", "\r\n--b-\r\n", "\r\n--b.", "x\r\r\n--", "\n--b\n", "\n--b\r\n",
	"\r\n--bx\r\n--by", "a\r", strings.Repeat("\r", 10_000), strings.Repeat("\r\n--", 10_000), strings.Repeat("x", 300_000) + "\r\n--", strings.Repeat("\r\n--bc", 60_000),
}

func TestPartsAreWhatTheyWereWhereverTheyAreCut(t *testing.T) {
	contents := slices.Clone(hostile)
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a test's
	for range 20 {
		long := make([]byte, random.IntN(1<<20))
		for i := range long {
			long[i] = "\r\n-b\x00"[random.IntN(5)]
		}
		contents = append(contents, strings.ReplaceAll(string(long), "\r\n--b", "\r\n--\x00"))
	}
	form := in("b", contents...)
	for name, cut := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
		"here and there": func(r io.Reader) io.Reader { return &cutting{r, random} },
	} {
		for _, size := range []int{1 << 10, directBytes, 100_001, heldBytes, 4 * heldBytes} {
			all, err := ours(cut(strings.NewReader(form)), "b", size)
			if err != nil || len(all) != len(contents) {
				t.Errorf("%s, by %d: %d parts of %d, %v", name, size, len(all), len(contents), err)
			}
			for i, is := range all {
				if is.name != "file" || is.filename != fmt.Sprintf("f%d", i) || is.content != contents[i] {
					t.Errorf("%s, by %d: part %d is %q, %q, of %d bytes, want %d", name, size, i, is.name, is.filename, len(is.content), len(contents[i]))
				}
			}
		}
	}
	small := in("b", hostile[:19]...)
	if all, err := ours(iotest.OneByteReader(strings.NewReader(small)), "b", 1); err != nil || len(all) != 19 {
		t.Errorf("byte by byte: %d parts, %v", len(all), err)
	}
}

// cutting reads as much as it likes at a time.
type cutting struct {
	io.Reader
	random *rand.Rand
}

func (c *cutting) Read(p []byte) (int, error) {
	return c.Reader.Read(p[:min(len(p), 1+c.random.IntN(20_000))])
}

func TestFormsAreUnderstoodAsTheStandardLibraryDoes(t *testing.T) {
	for _, form := range []string{
		in("b", "x", "y"),
		"a preamble\r\n" + in("b", "x"),
		in("b", "x") + "an epilogue",
		strings.ReplaceAll(in("b", "x", "y"), "\r\n", "\n"),
		"--b \t\r\nContent-Disposition: form-data; name=n\r\n\r\nx\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=n\r\n\r\n--b--\r\n",
		"--b\r\n\r\nx\r\n--b--\r\n",
		"--b\r\n\r\n\r\n--b--\r\n",
		"--b\r\nContent-Disposition: attachment; name=n\r\n\r\nx\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"\r\n\r\nx\r\n--b--\r\n",
		"--b\r\nX: y\r\nContent-Disposition: form-data;\r\n name=\"n\"; filename=\"C:\\\\a\\\\b.gguf\"\r\n\r\nx\r\n--b--\r\n",
		"--b--\r\n",
		"--b-- \t",
	} {
		want, err := theirs(strings.NewReader(form), "b")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ours(strings.NewReader(form), "b", 1<<10); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", form, got, err, want)
		}
	}
}

func TestFormsThatAreNone(t *testing.T) {
	whole := in("b", "x", "y")
	broken := errors.New("the line broke")
	for at := range len(whole) - len("\r\n") {
		if _, err := ours(strings.NewReader(whole[:at]), "b", 1<<10); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d bytes: %v", at, err)
		}
		if _, err := ours(io.MultiReader(strings.NewReader(whole[:at]), iotest.ErrReader(broken)), "b", 1<<10); !errors.Is(err, broken) {
			t.Errorf("a line that breaks behind %d bytes: %v", at, err)
		}
	}
	for form, want := range map[string]error{
		"--b words\r\n\r\nx\r\n--b--": errNoHeader,
		"--b\r\n\r\nx\r\n--b--words":  errNoHeader,
		"--b\r\n\r\nx\r\n--b--\r":     errNoHeader,
		"--b\r\nA: " + strings.Repeat("x", maxHeaderBytes) + "\r\n\r\nx\r\n--b--": errLongHeader,
	} {
		if _, err := ours(strings.NewReader(form), "b", 1<<10); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", form, err, want)
		}
	}
	if _, err := ours(strings.NewReader("--b\r\nno header\r\n\r\nx\r\n--b--"), "b", 1<<10); err == nil {
		t.Error("a header without a colon is taken")
	}
	for _, boundary := range []string{"", strings.Repeat("b", maxBoundaryBytes+1), "b\r\n"} {
		if _, err := newParts(strings.NewReader(whole), boundary); !errors.Is(err, errBoundary) {
			t.Errorf("the boundary %q: %v", boundary, err)
		}
	}
}

// However much a part has, it passes without a copy of its own.
func TestAPartAllocatesNothing(t *testing.T) {
	form := in("b", strings.Repeat("x", 8<<20))
	buffer := make([]byte, heldBytes)
	from := strings.NewReader(form)
	parts, err := newParts(from, "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parts.next(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := parts.Read(buffer); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for each read", n)
	}
}

func FuzzParts(f *testing.F) {
	for _, content := range hostile {
		if len(content) < 100 {
			f.Add([]byte(content), uint16(7))
		}
	}
	f.Add([]byte("\r\n--b\r\nContent-Disposition: form-data; name=name\r\n\r\nmine"), uint16(100))
	f.Fuzz(func(t *testing.T, content []byte, size uint16) {
		form := in("b", string(content))
		all, err := ours(&byParts{strings.NewReader(form), int(size)%97 + 1}, "b", int(size)+1)
		if bytes.Contains(bytes.ReplaceAll(content, []byte("\r\n"), nil), []byte("\n")) {
			return // of lines that end otherwise the standard library takes more
		}
		want, failed := theirs(strings.NewReader(form), "b")
		if failed == nil && (err != nil || !slices.Equal(all, want)) || failed != nil && err == nil {
			t.Errorf("%q: %q, %v, want %q, %v", form, all, err, want, failed)
		}
	})
}

// byParts reads so many bytes at a time.
type byParts struct {
	io.Reader
	size int
}

func (b *byParts) Read(p []byte) (int, error) { return b.Reader.Read(p[:min(len(p), b.size)]) }

func BenchmarkParts(b *testing.B) {
	const size, boundary = 64 << 20, "a-boundary-such-as-a-browser-makes"
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	form := in(boundary, string(content))
	buffer := make([]byte, 256<<10)
	for name, open := range map[string]func(io.Reader) (io.Reader, error){
		"ours": func(from io.Reader) (io.Reader, error) {
			parts, err := newParts(from, boundary)
			if err != nil {
				return nil, err
			}
			return parts.next()
		},
		"theirs": func(from io.Reader) (io.Reader, error) { return multipart.NewReader(from, boundary).NextRawPart() },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				part, err := open(strings.NewReader(form))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = part.Read(buffer)
				}
			}
		})
	}
}
