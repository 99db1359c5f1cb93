// Package dashboard is the dashboard as it was built: its sources are a project
// of npm beside this file, and what they become is part of the program.
package dashboard

import (
	"embed"
	"io/fs"
)

// A program can be built without npm: the folder is then there and empty but
// for the file that keeps it.
//
//go:embed all:dist
var built embed.FS

// Files returns what was built, with index.html at its root, or without one in
// a program that was built without the dashboard.
func Files() fs.FS {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return files
}
