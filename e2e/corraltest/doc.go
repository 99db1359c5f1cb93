// Package corraltest starts the built programs for a test, as processes on
// loopback, and asks them what callers would.
//
// A [Lab] belongs to one test. Everything that it starts is ended with the
// test, and a process that is left over then fails it, however far it has got
// from its parents. What the programs logged is shown when the test fails.
//
// Where something cannot be had, the test ends; nothing is skipped. Methods end
// the test on an error, and so must be called from the test's own goroutine,
// those of [Stream] excepted. Linux only.
package corraltest
