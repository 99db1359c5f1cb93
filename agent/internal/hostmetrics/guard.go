package hostmetrics

import (
	"fmt"

	"github.com/hashicorp/go-hclog"
)

// guarded returns what read does, and a panic of it as an error. gopsutil
// indexes the fields of some files without counting them, so an empty or
// cut-off file, as container runtimes and restricted kernels show them, would
// otherwise end the program.
func guarded[T any](read func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the contents could not be understood: %v", p)
		}
	}()
	return read()
}

// outage remembers whether something could not be read the last time, so that
// the beginning and the end of an outage are logged and nothing in between.
type outage struct {
	failing bool
}

// note takes the outcome of one reading. Further fields for the log come in pairs.
func (o *outage) note(log hclog.Logger, group string, err error, fields ...any) {
	failed := err != nil
	if failed == o.failing {
		return
	}
	o.failing = failed
	fields = append(fields, "group", group)
	if failed {
		log.Warn("host reading failed", append(fields, "error", err)...)
		return
	}
	log.Info("host reading works again", fields...)
}
