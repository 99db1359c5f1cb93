package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
		Use: "upload FILE|FOLDER [FILE]...", Short: "Upload the files of a model", Args: atLeast("FILE"),
		Long: `Upload the files of a model, and have hosts get it. They are read once for their sha256,
and sent one after the other. That goes on where it was when the connection broke; the
same command goes on where it was in an earlier run.

A folder means the files in it, but for hidden ones, and names the model; one that has
files in folders of its own is refused.

It ends when all bytes are there. With --wait, it ends when the model is in its storage,
and on the hosts that --hosts names; the exit status is 1 where that fails.`,
		Example: `  corral model upload tiny.gguf --name tiny:q4 --hosts gpu-1,gpu-2 --wait
  corral model upload large-00001-of-00002.gguf large-00002-of-00002.gguf --name large
  corral model upload ./Qwen2.5-0.5B-Instruct --hosts all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "-") {
				return fault.New(fault.Invalid, "a model is not uploaded from standard input, which can be read only once: put it into a file").On(fault.Caller)
			}
			paths, err := modelPaths(args)
			if err != nil {
				return err
			}
			files, err := openModelFiles(paths)
			if err != nil {
				return err
			}
			defer closeModelFiles(files)
			u.Files = uploadFiles(files)
			if u.Name == "" && isFolder(args[0]) {
				u.Name = nameAfterFolder(args[0])
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
			m, err := s.upload(cmd.Context(), c, &u, files)
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
	flags.StringVar(&u.Name, "name", "", "what the model is called (default after the folder, or the first file)")
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

// upload uploads a model, shows meanwhile how far it is, and tells of it.
func (s *session) upload(ctx context.Context, c *client.Client, u *client.ModelUpload, files []localFile) (*client.Model, error) {
	n, err := s.takeNote(files, u)
	if err != nil {
		return nil, err
	}
	defer n.close()
	o := client.UploadOptions{State: n.state, Keep: n.keep}
	s.unfinished = "interrupted; the same command goes on where this one was"
	label := "upload " + named(u.Files)
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
		g.set("upload", reading{label: label, text: text, done: now.DoneBytes, total: now.TotalBytes})
	}
	m, err := c.UploadModel(ctx, *u, o)
	if err == nil {
		g.set("upload", reading{label: label, text: join(", ", "done", size(total(u.Files))), done: 1, total: 1, ended: true})
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
