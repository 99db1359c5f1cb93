//go:build cgo

// Package library loads the library of NVIDIA's driver, so that the binding can
// call it and no function that a driver lacks can end the process.
package library

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
// const char *corral_bind(void *library);
import "C"

import "unsafe"

// Open loads the library of that name for the rest of the process, and returns
// the file that it was found in. A function that it lacks answers with
// nvml.ERROR_FUNCTION_NOT_FOUND from now on, as all do as long as none is loaded.
func Open(name string) (path string, ok bool) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	handle := C.dlopen(n, C.RTLD_LAZY|C.RTLD_GLOBAL)
	if handle == nil {
		return "", false
	}
	if found := C.corral_bind(handle); found != nil {
		path = C.GoString(found)
	}
	return path, true
}
