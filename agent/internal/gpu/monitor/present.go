package monitor

import (
	"os"
	"path/filepath"
	"strings"
)

// present reports whether the host may have a GPU of NVIDIA's: one is on the PCI
// bus, or a driver has made its device. Neither wakes a card up or takes hold of
// the driver. Where there is none, no probe is started at all.
func present(root string) bool {
	if _, err := os.Stat(filepath.Join(root, "dev/nvidiactl")); err == nil {
		return true
	}
	bus := filepath.Join(root, "sys/bus/pci/devices")
	devices, err := os.ReadDir(bus)
	if err != nil {
		return false
	}
	for _, d := range devices {
		if has(filepath.Join(bus, d.Name(), "vendor"), "0x10de") &&
			(has(filepath.Join(bus, d.Name(), "class"), "0x03") || has(filepath.Join(bus, d.Name(), "class"), "0x12")) {
			return true
		}
	}
	return false
}

// has reports whether a file begins with a text.
func has(path, text string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(b), text)
}
