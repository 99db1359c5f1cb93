// Package storages knows the configured places where files are kept, says how they
// are, and passes on what is asked of their files.
//
// A storage is an instance of a plugin with a configuration. It comes from the
// settings file, which pins it, or was saved by an operator; without either there is
// one below the data directory. What a plugin runs on, and when it runs, is the
// business of [Plugins]: nothing here waits for a plugin but who asked for its files.
package storages
