package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	gopath "path"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) storageListFilesCommand() *cobra.Command {
	var flat bool
	cmd := &cobra.Command{
		Use: "ls NAME [PREFIX]", Short: "List the files of a storage", Args: upTo("PREFIX", "NAME"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			q := client.FileQuery{Flat: flat, Limit: 1000}
			if len(args) == 2 {
				q.Prefix = args[1]
			}
			t := newTable(s.Stdout, "SIZE", "MODIFIED", "PATH")
			all := []client.File{}
			for more := true; more; more = q.Cursor != "" {
				page, err := c.Files(cmd.Context(), args[0], q)
				if err != nil {
					return err
				}
				q.Cursor = page.Cursor
				if s.output == outputJSON {
					all = append(all, page.Files...)
					continue
				}
				for i := range page.Files {
					f := &page.Files[i]
					t.row(sizeOf(f), f.Modified, f.Path)
				}
			}
			if s.output == outputJSON {
				return s.json(all)
			}
			return t.flush()
		},
	}
	cmd.Flags().BoolVar(&flat, "flat", false, "list what is in folders too")
	return cmd
}

func sizeOf(f *client.File) string {
	if f.Folder {
		return ""
	}
	return humanize.IBytes(uint64(max(0, f.Size)))
}

func (s *session) storageGetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME PATH [FILE]", Short: "Download a file; - is standard output", Args: upTo("FILE", "NAME", "PATH"), ValidArgsFunction: s.thenFiles(s.storageNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			target := gopath.Base(args[1])
			if len(args) == 3 {
				target = args[2]
			}
			content, err := c.Download(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			defer content.Close() // what was read is what counts
			if target == "-" {
				_, err := io.Copy(s.Stdout, content)
				return err
			}
			return writeWhole(target, content)
		},
	}
}

// writeWhole writes a file, whole or not at all.
func writeWhole(target string, content io.Reader) error {
	partial := target + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the file cannot be written").On(fault.Caller)
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return os.Rename(partial, target)
}

func (s *session) storagePutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "put NAME FILE [PATH]", Short: "Upload a file; - is standard input, and needs a path", Args: upTo("PATH", "NAME", "FILE"), ValidArgsFunction: s.thenFiles(s.storageNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, size, err := s.source(args[1])
			if err != nil {
				return err
			}
			defer content.Close() // it was only read
			target := gopath.Base(args[1])
			switch {
			case len(args) == 3:
				target = args[2]
			case args[1] == "-":
				return fault.New(fault.Invalid, "standard input needs a path in the storage").On(fault.Caller)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			stored, err := c.Upload(cmd.Context(), args[0], target, content, size)
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(stored)
			}
			_, err = fmt.Fprintf(s.Stdout, "%s, %s, sha256 %s\n", printable(stored.URL), sizeOf(&stored), printable(stored.SHA256))
			return err
		},
	}
}

// source opens what is to be uploaded; its size is -1 where nobody knows it.
func (s *session) source(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(s.Stdin), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Invalid, err, "the file cannot be read").On(fault.Caller)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return f, -1, nil
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (s *session) storageDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME PATH", Short: "Delete a file", Args: exactly("NAME", "PATH"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.DeleteFile(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "%s is deleted\n", printable(args[1]))
			return err
		},
	}
}
