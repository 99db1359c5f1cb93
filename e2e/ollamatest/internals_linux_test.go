package ollamatest

import (
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	f := func(line string, want process) {
		t.Helper()
		got, err := parseStat(line)
		if err != nil || got != want {
			t.Errorf("parseStat(%q) = %+v, %v, want %+v", line, got, err, want)
		}
	}
	f("7 (ollama) S 1 5 5 0 -1", process{pid: 7, parent: 1, group: 5, state: 'S'})
	f("12 (odd ) S 9 (name) Z 7 5 5 0", process{pid: 12, parent: 7, group: 5, state: 'Z'})

	for _, line := range []string{"", "7", "7 ollama S 1 5", ") 7 (", "7 (ollama)", "7 (ollama) S 1", "7 (ollama) S one 5", "x (ollama) S 1 5"} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", line, got)
		}
	}
}

func TestOutputFindsTheAddressAndKeepsTheEnd(t *testing.T) {
	o := newOutput()
	write := func(s string) {
		if n, err := o.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	write(`msg="Listening on 127.0.`)
	write("0.1:40123 (version 0.17.4)\"\n")
	write("Listening on 127.0.0.1:1 (a later line)\n")
	if got := <-o.listening; got != "127.0.0.1:40123" {
		t.Errorf("the address is %q", got)
	}
	write(strings.Repeat("x", outputKept-1))
	write("end")
	if got, want := o.tail(), strings.Repeat("x", outputKept-3)+"end"; got != want {
		t.Errorf("%d bytes are kept, of them at the end %q", len(got), got[len(got)-9:])
	}
}
