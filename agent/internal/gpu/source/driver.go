package source

import (
	"os"
	"path/filepath"
	"strings"
)

// kernelModule returns the version of the driver that is in the kernel, or "".
// The file has it among other words, which have changed:
//
//	NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024
//	NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder)
func kernelModule(proc string) string {
	if proc == "" {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(proc, "driver/nvidia/version"))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(b), "\n")
	for word := range strings.FieldsSeq(first) {
		if isVersion(word) {
			return word
		}
	}
	return ""
}

// libraryVersion returns the version of a library by the name of the file that
// it is a link to, such as libnvidia-ml.so.550.54.14, or "".
func libraryVersion(path string) string {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	if _, version, ok := strings.Cut(filepath.Base(file), ".so."); ok && isVersion(version) {
		return version
	}
	return ""
}

func isVersion(s string) bool {
	return strings.Count(s, ".") >= 1 && strings.Trim(s, "0123456789.") == "" && s[0] != '.'
}
