package parcel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAParcelIsWhatWasPacked(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	for _, text := range []string{"", "short", strings.Repeat("a program", 1000)} {
		if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if p, err := Open(program); p != nil || err != nil {
			t.Errorf("of %d bytes: %+v, %v", len(text), p, err)
		}
		to := filepath.Join(dir, "plugin")
		command := []string{"node", "main.js", "--x"}
		for range 2 { // the second time the plugin is there, among the files
			if err := Pack(program, to, dir, command); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Open(to)
		if err != nil || p == nil || !slices.Equal(p.Command, command) || p.Folder() != dir {
			t.Fatalf("%+v, %v", p, err)
		}
		if err := p.Verify(); err != nil {
			t.Error(err)
		}
	}
}

func TestABrokenParcelIsAnError(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"longer than all": "x\x00\x00\x00\x00\x00\x00\x00\xff" + magic,
		"no JSON":         "x{]\x00\x00\x00\x00\x00\x00\x00\x02" + magic,
		"no command":      "x{}\x00\x00\x00\x00\x00\x00\x00\x02" + magic,
		"huge":            "x{}\xff\xff\xff\xff\xff\xff\xff\xff" + magic,
	} {
		path := filepath.Join(dir, "plugin")
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if p, err := Open(path); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
