// Package settings holds what can be set about the control plane.
//
// [AppConfig] is what the dashboard's API reads and writes while the server
// runs. [Config] is everything that `corral-controlplane serve` is started
// with: the same settings beside the few that only a start can decide. [Load]
// reads it from defaults, file, environment and flags; a [Manager] puts what
// the API saved over the file and under what the environment and the flags pin,
// and changes it atomically.
package settings
