package source

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// bus is what sysfs tells of NVIDIA's cards, without asking the driver and
// without waking any of them up.
type bus struct {
	sys   string
	cards []pciCard // in the order of their addresses
}

// pciCard is a graphics processor on the bus.
type pciCard struct {
	address string
	device  string // its kind, such as 10de:2330
	driver  string // that it is bound to, such as nvidia, or vfio-pci where a virtual machine has it
	dozes   bool   // whether it is turned off while nothing uses it
	status  string // the file that says whether it is
}

const (
	nvidia = "0x10de"
	vga    = "0x0300" // a card for displays
	threeD = "0x0302" // one without
)

// scan looks for cards. Where there is no sysfs there are none, as for a machine
// that was recorded.
func (b *bus) scan() {
	b.cards = b.cards[:0]
	if b.sys == "" {
		return
	}
	root := filepath.Join(b.sys, "bus/pci/devices")
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if line(dir, "vendor") != nvidia {
			continue
		}
		if class := line(dir, "class"); !strings.HasPrefix(class, vga) && !strings.HasPrefix(class, threeD) {
			continue
		}
		b.cards = append(b.cards, pciCard{
			address: e.Name(),
			device:  strings.TrimPrefix(nvidia, "0x") + ":" + strings.TrimPrefix(line(dir, "device"), "0x"),
			driver:  boundTo(dir),
			dozes:   line(dir, "power/control") == "auto",
			status:  filepath.Join(dir, "power/runtime_status"),
		})
	}
}

func boundTo(dir string) string {
	driver, err := os.Readlink(filepath.Join(dir, "driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(driver)
}

func line(dir, file string) string {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// asleep reports whether a card is turned off, so that asking it anything would
// turn it on.
func (c *pciCard) asleep() bool {
	if !c.dozes {
		return false
	}
	b, err := os.ReadFile(c.status)
	status := string(bytes.TrimSpace(b))
	return err == nil && (status == "suspended" || status == "suspending")
}

// at returns the card at an address.
func (b *bus) at(address string) *pciCard {
	for i := range b.cards {
		if b.cards[i].address == address {
			return &b.cards[i]
		}
	}
	return nil
}

// asleep reports how many of the cards are turned off.
func (b *bus) asleep() int {
	n := 0
	for i := range b.cards {
		if b.cards[i].asleep() {
			n++
		}
	}
	return n
}
