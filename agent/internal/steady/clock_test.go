package steady

import (
	"testing"
	"time"
)

// What the machine's clock is set to meanwhile has no way into a clock; that a
// suspension has is what the time since boot is for.
func TestAClockGoesOnFromWhereItBegan(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	up := 3 * time.Hour
	c := start(noon, func() time.Duration { return up })
	for _, passed := range []time.Duration{0, time.Second, 9 * time.Hour} {
		up = 3*time.Hour + passed
		if got := c.Now(); !got.Equal(noon.Add(passed)) {
			t.Errorf("after %v it is %v", passed, got)
		}
	}
}

func TestTheMachinesClocks(t *testing.T) {
	c := New()
	before := c.Now()
	if off := time.Since(before); off.Abs() > time.Second {
		t.Errorf("it begins %v off", off)
	}
	for range 1000 {
		now := c.Now()
		if now.Before(before) {
			t.Fatalf("%v came after %v", now, before)
		}
		before = now
	}
	if !before.After(c.began) {
		t.Error("it stands still")
	}
}

func BenchmarkNow(b *testing.B) {
	c := New()
	b.ReportAllocs()
	for b.Loop() {
		c.Now()
	}
}
