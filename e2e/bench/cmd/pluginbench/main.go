// Command pluginbench measures what it costs that a storage is a plugin, a process of
// its own: the way that bytes and calls take by itself, files that go to a service and
// come from it through storage-s3, and a listing of storage-fs.
//
// It is its own plugin for the first of these, and starts itself for each transfer of
// the second, so that each has the memory of a process of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/corral-fleet/corral/e2e/bench/program"
	"github.com/corral-fleet/corral/e2e/bench/report"
	"github.com/corral-fleet/corral/e2e/bench/stage"
)

func main() {
	switch {
	case os.Getenv(role) != "":
		os.Exit(servePlugin())
	case len(os.Args) > 1 && os.Args[1] == "transfer":
		os.Exit(program.Main("pluginbench transfer", transfer))
	}
	os.Exit(program.Main("pluginbench", run))
}

// options are what the command line asks for.
type options struct {
	fs        string
	s3        string
	inProcess string
	server    string
	rclone    string

	dir         string
	files       int
	boundaryMiB int64
	fileMiB     int64
	rounds      int
	output      report.Output
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("pluginbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.fs, "fs", "", "`path` of corral-plugin-storage-fs")
	flags.StringVar(&o.s3, "s3", "", "`path` of corral-plugin-storage-s3; without it no files are transferred")
	flags.StringVar(&o.inProcess, "inprocess", "", "`path` of the test program of plugins/storage-s3, which does the same without a plugin")
	flags.StringVar(&o.server, "versitygw", "", "`path` of VersityGW, the service")
	flags.StringVar(&o.rclone, "rclone", "", "`path` of rclone, to compare with")
	flags.StringVar(&o.dir, "dir", "", "`folder` for the files, if not that for temporary ones")
	flags.IntVar(&o.files, "files", 100_000, "how many files are listed")
	flags.Int64Var(&o.boundaryMiB, "boundary", 1024, "how many `MiB` cross without a service")
	flags.Int64Var(&o.fileMiB, "file", 2048, "how many `MiB` the transferred file has")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	o.output.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.fs == "" || o.rounds < 1 || flags.NArg() > 0 || o.s3 != "" && (o.inProcess == "" || o.server == "" || o.rclone == "") {
		return errors.New("give -fs, with -s3 also -inprocess, -versitygw and -rclone, a positive -rounds, and no arguments")
	}
	st, err := stage.New()
	if err != nil {
		return err
	}
	defer func() { err = st.Close(err) }()
	var f figures
	fmt.Fprintln(stderr, "what crosses the boundary")
	if f.boundary, err = measureBoundary(ctx, o); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "a listing")
	if f.listing, err = measureListing(ctx, st, o); err != nil {
		return err
	}
	if o.s3 != "" {
		fmt.Fprintln(stderr, "files, to a service and from it")
		if f.files, err = measureFiles(ctx, st, o, stderr); err != nil {
			return err
		}
	}
	return document(o, f).Publish(stdout, o.output)
}

// figures are what was measured.
type figures struct {
	boundary boundary
	listing  listing
	files    []files // uploads and downloads
}

// document puts the figures into words.
func document(o options, f figures) report.Document {
	doc := report.Document{
		Title:   "What it costs that a storage is a plugin",
		Method:  fmt.Sprintf("Medians of %d rounds; in each, every way is measured once. CPU time is that of all processes but the service.", o.rounds),
		Figures: f.boundary.table(),
		More:    []report.Table{f.listing.table()},
		Targets: append(f.boundary.targets(), f.listing.targets()...),
		Notes: []string{
			fmt.Sprintf("Boundary: %d MiB to a plugin that throws them away, and from one that makes them up, with sha256 at both ends on the way there and crc32 on the way back.", o.boundaryMiB),
			fmt.Sprintf("Listing: a page of %d of %d empty files in one directory, through corral-plugin-storage-fs. Memory is the plugin's, before the first page and at its highest after all pages and a listing as a whole.", pageLimit, o.files),
		},
	}
	for _, one := range f.files {
		doc.More = append(doc.More, one.table())
		doc.Targets = append(doc.Targets, one.targets()...)
	}
	if len(f.files) > 0 {
		doc.Notes = append(doc.Notes,
			fmt.Sprintf("Files: one of %d MiB to VersityGW and from it, on the same machine, each transfer by processes of its own. In process is the code of storage-s3 without a plugin, which does not hash; with sha256 it does what whoever keeps a digest has to do anyway. Rclone's time is that of its process. Ratios are medians of those of each round.", o.fileMiB),
			"Memory is the highest of host and plugin together, programs included, as the system counts it.")
	}
	return doc
}
