package program

import (
	"io"

	"github.com/hashicorp/go-hclog"
)

// NewLogger returns a program's logger. level is one of trace, debug, info, warn
// and error, format is text or json; both have been checked with the settings.
func NewLogger(name, level, format string, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:       name,
		Level:      hclog.LevelFromString(level),
		JSONFormat: format == "json",
		Output:     w,
	})
}
