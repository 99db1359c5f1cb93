//go:build !cgo

package source

import "github.com/corral-fleet/corral/sdk/fault"

// openNVML fails: the driver's library is called by C.
func openNVML(Host) (Source, error) { return nil, errPure() }

// CUDAVersion returns "".
func CUDAVersion(Host) string { return "" }

func openMachine(string) (Source, error) { return nil, errPure() }

func errPure() error {
	return fault.New(fault.NotImplemented, "this build was made without cgo and reads no GPUs; build corral-gpuprobe with CGO_ENABLED=1")
}
