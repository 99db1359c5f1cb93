package stamp

import (
	"testing"
	"time"
)

func TestStampIsFoundInALine(t *testing.T) {
	want := Stamp{Answer: 17, Piece: 3, Sent: 1234567890123456789, Late: 2 * time.Millisecond}
	line := append(want.Append([]byte(`{"message":{"content":"`)), `"},"done":false}`...)
	if got, ok := Find(line); !ok || got != want {
		t.Errorf("%s\nhas %+v, %t; want %+v", line, got, ok, want)
	}
	for _, line := range []string{"", `{"content":" fox"}`, "stamp 1 2 3", "stamp 1 2 3 4", "stamp 1 2 x 4 ", "stamp 1 -2 3 4 "} {
		if got, ok := Find([]byte(line)); ok {
			t.Errorf("%q has %+v", line, got)
		}
	}
}

func TestClocksAgree(t *testing.T) {
	a, b := NewClock(), NewClock()
	now := time.Now()
	if d := (a.At(now) - b.At(now)).Abs(); d > 10*time.Millisecond {
		t.Errorf("two clocks are %v apart", d)
	}
	if passed := a.At(now.Add(time.Second)) - a.At(now); passed != time.Second {
		t.Errorf("in a second, %v passed", passed)
	}
}
