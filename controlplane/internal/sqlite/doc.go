// Package sqlite keeps the control plane's state, its metrics history and what
// requests used in three SQLite files, and implements the stores of package
// fleet on them.
//
// What was acknowledged stays: a write returns after its transaction is on the
// disk (WAL, synchronous=FULL). Concurrent writes share transactions, because
// a commit costs one flush of the disk however much it holds; one write that
// fails does not fail those that share with it. Several processes may have the
// same files open, such as the server and its command line; each waits for the
// other's transactions.
//
// Nothing here starts a goroutine: whoever writes first commits for all who
// wait. [DB.Run] keeps the journals small while the server runs and may be
// left out by a program that ends soon.
//
// Statements keep to what PostgreSQL understands as well; what is SQLite's own
// (pragmas, checkpoints, files) stays out of the files named after a store.
package sqlite
