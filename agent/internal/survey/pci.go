package survey

import (
	"os"
	"path/filepath"
	"strings"
)

// GPU is a graphics processor or accelerator as the PCI bus shows it.
type GPU struct {
	Address string // on the bus, such as 0000:3b:00.0
	Vendor  string
	Model   string // "" where no driver tells
}

// pci looks at the bus through files, so that no driver has to work for it.
type pci struct{ sys, proc string }

// vendors are those whose devices compute, by their PCI numbers. Whatever else
// counts as a display is a server's console or a virtual machine's screen.
var vendors = map[string]string{"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1e52": "Tenstorrent", "0x1da3": "Habana"}

// gpus returns the devices that compute, in the order of the bus.
func (p pci) gpus() []GPU {
	entries, err := os.ReadDir(filepath.Join(p.sys, "bus/pci/devices"))
	if err != nil {
		return nil
	}
	var found []GPU
	for _, e := range entries { // sorted
		dir := filepath.Join(p.sys, "bus/pci/devices", e.Name())
		class, vendor := firstLine(filepath.Join(dir, "class")), vendors[firstLine(filepath.Join(dir, "vendor"))]
		display, accelerator := strings.HasPrefix(class, "0x03"), strings.HasPrefix(class, "0x12")
		if vendor == "" || !display && !accelerator {
			continue
		}
		found = append(found, GPU{Address: e.Name(), Vendor: vendor, Model: p.model(e.Name())})
	}
	return found
}

// model is what NVIDIA's driver calls a card.
func (p pci) model(address string) string {
	text, err := os.ReadFile(filepath.Join(p.proc, "driver/nvidia/gpus", address, "information"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "Model:"); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// driver returns the version of NVIDIA's driver that the kernel has loaded.
func (p pci) driver() string {
	for word := range strings.FieldsSeq(firstLine(filepath.Join(p.proc, "driver/nvidia/version"))) {
		if strings.Count(word, ".") > 0 && strings.Trim(word, "0123456789.") == "" {
			return word
		}
	}
	return ""
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
