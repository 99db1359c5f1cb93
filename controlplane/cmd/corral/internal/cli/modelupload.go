package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// showEvery is how often it is shown how far an upload is, which tells of it with each
// piece: a person sees no more, and it is not for free.
const showEvery = 100 * time.Millisecond

func (s *session) modelUploadCommand() *cobra.Command {
	var u client.ModelUpload
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "upload FILE [FILE]...", Short: "Upload the files of a model", Args: atLeast("FILE"),
		Long: `Upload the files of a model, and have hosts get it. One file is sent with its sha256,
and goes on where it was when the connection broke; the same command goes on where it
was in an earlier run. Several files are sent as one, which begins anew.

It ends when all bytes are there. With --wait, it ends when the model is in its storage,
and on the hosts that --hosts names; the exit status is 1 where that fails.`,
		Example: `  corral model upload tiny.gguf --name tiny:q4 --hosts gpu-1,gpu-2 --wait`,
		RunE: func(cmd *cobra.Command, args []string) error {
			u.Files = nil
			for _, path := range args {
				f, size, err := openModelFile(path)
				if err != nil {
					return err
				}
				defer f.Close() // it was only read
				u.Files = append(u.Files, client.UploadFile{Name: filepath.Base(path), Content: f, SizeBytes: size})
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			var before map[string]bool
			if wait {
				if before, err = past(cmd.Context(), c); err != nil {
					return err
				}
			}
			m, err := s.upload(cmd.Context(), c, &u, args)
			if err != nil {
				return err
			}
			if !wait {
				return s.uploaded(m, "uploaded")
			}
			return s.waitFor(cmd.Context(), timeout, func(ctx context.Context) error {
				return s.await(ctx, newArrival(c, m, before, u.Hosts))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&u.Name, "name", "", "what the model is called (default after the first file)")
	flags.StringVar(&u.Description, "description", "", "what it is for")
	flags.StringVar(&u.Storage, "storage", "", "where its files are kept (default as the control plane is set)")
	flags.StringSliceVar(&u.Hosts, "hosts", nil, "hosts that are to have it, by name or id, with commas; or all")
	flags.StringVar(&u.Quantize, "quantize", "", "what hosts are to quantise it to, such as q4_K_M")
	flags.StringVar(&u.From, "from", "", "the model that it is put on, of an adapter")
	flags.BoolVar(&wait, "wait", false, "wait until it is stored, and on those hosts")
	timeoutFlag(cmd, &timeout)
	s.completeFlag(cmd, "hosts", s.hostNames)
	s.completeFlag(cmd, "from", s.modelNames)
	s.completeFlag(cmd, "storage", s.storageNames)
	return cmd
}

func openModelFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Invalid, err, "the file can't be read").On(fault.Caller)
	}
	is, err := f.Stat()
	if err == nil && !is.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is no regular file, which an upload has to be", path).On(fault.Caller)
	}
	if err != nil {
		f.Close() // it was only opened
		return nil, 0, err
	}
	return f, is.Size(), nil
}

// upload uploads a model, shows meanwhile how far it is, and tells of it.
func (s *session) upload(ctx context.Context, c *client.Client, u *client.ModelUpload, paths []string) (*client.Model, error) {
	o := client.UploadOptions{}
	s.unfinished = "interrupted; nothing was uploaded"
	if len(paths) == 1 {
		n, err := s.takeNote(paths[0], u)
		if err != nil {
			return nil, err
		}
		defer n.close()
		o.State, o.Keep = n.state, n.keep
		s.unfinished = "interrupted; the same command goes on where this one was"
	}
	g := s.gauges()
	var p pace
	var phase client.UploadPhase
	var shown time.Time
	o.Progress = func(now client.UploadProgress) {
		at := time.Now()
		switch {
		case now.Phase != phase:
			phase, p = now.Phase, pace{}
		case now.DoneBytes < now.TotalBytes && at.Sub(shown) < showEvery:
			return
		}
		shown = at
		rate := p.after(at, now.DoneBytes)
		text := join(", ", string(now.Phase), portion(now.DoneBytes, now.TotalBytes), speed(rate), remaining(now.TotalBytes-now.DoneBytes, rate))
		if now.Err != nil {
			text = fmt.Sprintf("%s: %v; it is tried again", now.Phase, now.Err)
		}
		g.set("upload", reading{label: "upload " + u.Files[0].Name, text: text, done: now.DoneBytes, total: now.TotalBytes})
	}
	m, err := c.UploadModel(ctx, *u, o)
	if err == nil {
		g.set("upload", reading{label: "upload " + u.Files[0].Name, text: "done, " + size(total(u)), done: 1, total: 1, ended: true})
	}
	g.close()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// uploaded tells of a model whose bytes are there, by what became of them.
func (s *session) uploaded(m *client.Model, became string) error {
	if s.output == outputJSON {
		return s.json(m)
	}
	_, err := fmt.Fprintf(s.Stdout, "model %s is %s, and being stored; corral op watch follows\n", printable(cmp.Or(m.Name, m.ID)), became)
	return err
}

func total(u *client.ModelUpload) (sizeBytes int64) {
	for i := range u.Files {
		sizeBytes += u.Files[i].SizeBytes
	}
	return sizeBytes
}
