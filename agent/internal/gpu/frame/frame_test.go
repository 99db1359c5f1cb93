package frame

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

func TestAReadingSurvivesThePipe(t *testing.T) {
	want := gpu.Reading{
		Source: "nvml", State: gpu.OK, Driver: "570.1", Devices: []gpu.Device{{
			UUID: "GPU-1", Index: 3, Name: "Example", Health: gpu.Healthy,
			UtilizationPercent: gpu.Of(uint32(0)), MemoryTotalBytes: gpu.Of(uint64(80 << 30)), MIG: gpu.Of(false),
			Fans: []gpu.Fan{{}, {Percent: 40}}, Processes: []gpu.Process{{PID: 7}, {PID: 8, MemoryBytes: gpu.Of(uint64(9))}},
			Parts: []gpu.Part{{UUID: "MIG-1", Name: "1g.10gb", MemoryTotalBytes: gpu.Of(uint64(10 << 30))}},
		}},
	}
	r := NewReader(bytes.NewReader(Append(Append(nil, &want), &want)))
	for range 2 {
		got, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("reading (-want +got):\n%s", d)
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestWhatIsNoFrame(t *testing.T) {
	for text, want := range map[string]error{
		"\x00\x00\x00\x00":         ErrSize,
		"\xff\xff\xff\xffgarbage":  ErrSize,
		"\x00\x00\x00\x01\x02":     ErrVersion,
		"\x00\x00\x00\x09\x01":     io.ErrUnexpectedEOF,
		"\x00\x00\x00\x03\x01\x08": io.ErrUnexpectedEOF,
	} {
		if _, err := NewReader(bytes.NewReader([]byte(text))).Read(); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
