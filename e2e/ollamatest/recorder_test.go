package ollamatest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// recorder is a test whose failures are seen by another.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()           {}
func (r *recorder) Failed() bool      { return len(r.failures) > 0 }
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Skip(...any)          { r.Fatal("skipped") }
func (r *recorder) Skipf(string, ...any) { r.Fatal("skipped") }
func (r *recorder) SkipNow()             { r.Fatal("skipped") }
