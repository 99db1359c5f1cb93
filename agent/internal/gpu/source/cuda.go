//go:build cgo

package source

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu/library"
)

// askCUDA asks for the version of CUDA, once, or takes the answer.
func (s *nvmlSource) askCUDA() {
	switch {
	case s.cuda != "":
	case s.host.CUDA == nil:
		s.cuda = cudaVersion(s.lib)
	case s.cudaAsked == nil:
		s.cudaAsked = s.host.CUDA()
	default:
		select {
		case s.cuda = <-s.cudaAsked:
		default:
		}
	}
}

func cudaVersion(lib nvml.Interface) string {
	v, ret := lib.SystemGetCudaDriverVersion()
	if ret != nvml.SUCCESS {
		return ""
	}
	return fmt.Sprintf("%d.%d", v/1000, v%1000/10)
}

// CUDAVersion returns the version of CUDA that the driver of a host has, or "".
func CUDAVersion(host Host) string {
	lib := nvml.New(nvml.WithLibraryPath(host.Library))
	if _, ok := library.Open(host.Library); !ok || lib.Init() != nvml.SUCCESS {
		return ""
	}
	return cudaVersion(lib)
}
