package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// command is one that the shell knows.
type command struct {
	name, arguments, about string
	least, most            int // how many arguments it takes
	do                     func(ctx context.Context, s *session, args []string) error
}

// commands are those of what is open.
func (o opened) commands() []command {
	if o.loader != nil {
		return loaderCommands()
	}
	return storageCommands()
}

func storageCommands() []command {
	return []command{
		{"ls", "[PREFIX]", "the objects whose keys begin so", 0, 1, list},
		{"put", "FILE [KEY]", "store a file", 1, 2, put},
		{"get", "KEY [FILE]", "read an object, into a file where one is named", 1, 2, get},
		{"stat", "KEY", "what is known of an object", 1, 1, stat},
		{"rm", "KEY", "delete an object", 1, 1, remove},
		{"cp", "TARGET SOURCE", "copy an object", 2, 2, copyObject},
		{"url", "KEY", "a signed address of an object, good for five minutes", 1, 1, presign},
		{"check", "", "whether the service would serve", 0, 0, func(ctx context.Context, s *session, _ []string) error { return s.storage.Check(ctx) }},
		{"bench", "[SIZE]", "how fast it is, with an object of this size: 64MiB where none is named", 0, 1, bench},
	}
}

// obey does what a line says, and reports whether that was the last one.
func (s *session) obey(ctx context.Context, line string) (quit bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return false
	}
	switch name := words[0]; name {
	case "quit", "exit":
		return true
	case "help":
		s.help()
	case "restart":
		s.reload(ctx)
	default:
		if err := s.do(ctx, name, words[1:]); err != nil && ctx.Err() == nil {
			fmt.Fprintf(s.Out, "%s: %v%s\n", name, err, described(err))
		}
	}
	return false
}

// described is what the author can't see in an error's text: its kind and its side.
func described(err error) string {
	if fault.KindOf(err) == fault.Internal {
		return " (internal, so nobody tries it again: give it a kind of package fault)"
	}
	return fmt.Sprintf(" (%s, of the %s)", fault.KindOf(err), fault.SideOf(err))
}

func (s *session) do(ctx context.Context, name string, args []string) error {
	for _, c := range s.commands() {
		if c.name != name {
			continue
		}
		if len(args) < c.least || len(args) > c.most {
			return usageError("say: " + strings.TrimSpace(c.name+" "+c.arguments))
		}
		if s.storage == nil && s.loader == nil {
			return usageError("nothing is open; what is wrong was said above")
		}
		return c.do(ctx, s, args)
	}
	return usageError("there is no such command; help tells which there are")
}

func usageError(text string) error { return fault.New(fault.Invalid, "%s", text).On(fault.Caller) }

func (s *session) help() {
	w := tabwriter.NewWriter(s.Out, 0, 0, 3, ' ', 0)
	for _, c := range s.commands() {
		fmt.Fprintf(w, "%s %s\t%s\n", c.name, c.arguments, c.about)
	}
	fmt.Fprint(w, "restart\tbuild and start the plugin anew\nhelp\tthis\nquit\tthe end\n")
	w.Flush()
}

func list(ctx context.Context, s *session, args []string) error {
	prefix := strings.Join(args, "")
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	n := 0
	for info, err := range s.storage.List(ctx, prefix) {
		if err != nil {
			return err
		}
		n++
		fmt.Fprintf(w, "%d\t%s\t%s\n", info.SizeBytes, when(info.ModifiedAt), info.Key)
	}
	fmt.Fprintf(w, "%d objects\n", n)
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func put(ctx context.Context, s *session, args []string) error {
	key := path.Base(args[0])
	if len(args) == 2 {
		key = args[1]
	}
	src, err := storage.File(args[0])
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.storage.Put(ctx, key, src); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s has %d bytes; it took %v\n", key, src.SizeBytes(), time.Since(began).Round(time.Millisecond))
	return nil
}

func get(ctx context.Context, s *session, args []string) (err error) {
	in, err := s.storage.Get(ctx, args[0], storage.Range{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if len(args) == 1 {
		_, err = io.Copy(s.Out, in)
		return err
	}
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	n, err := io.Copy(f, in)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s has %d bytes\n", args[1], n)
	return nil
}

func stat(ctx context.Context, s *session, args []string) error {
	info, err := s.storage.Stat(ctx, args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "key      %s\nsize     %d\nmodified %s\nversion  %s\nsha256   %s\n",
		info.Key, info.SizeBytes, when(info.ModifiedAt), orNone(info.Version), orNone(info.SHA256))
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func remove(ctx context.Context, s *session, args []string) error {
	return s.storage.Delete(ctx, args[0])
}

func copyObject(ctx context.Context, s *session, args []string) error {
	return storage.CopyObject(ctx, s.storage, args[0], args[1])
}

func presign(ctx context.Context, s *session, args []string) error {
	const ttl = 5 * time.Minute
	signed, err := s.storage.PresignGet(ctx, args[0], ttl)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, signed.URL)
	for name, values := range signed.Header {
		fmt.Fprintf(s.Out, "%s: %s\n", name, strings.Join(values, ", "))
	}
	return nil
}
