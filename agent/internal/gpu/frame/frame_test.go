package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// encoded returns the frames of readings.
func encoded(t testing.TB, readings ...gpu.Reading) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for i := range readings {
		if err := w.Write(&readings[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// filled returns a reading of which every field is set, each to another value,
// so that one that was forgotten or mixed up shows.
func filled(t *testing.T) gpu.Reading {
	var r gpu.Reading
	n := 0
	fill(t, reflect.ValueOf(&r).Elem(), &n)
	return r
}

func fill(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(int64(*n)).UTC()))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case v.CanUint():
		v.SetUint(uint64(*n) << 8)
	case v.CanInt():
		v.SetInt(-int64(*n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("a field is of type %v, which is none that a frame carries", v.Type())
	}
}

func TestEveryFieldSurvivesThePipe(t *testing.T) {
	first := filled(t)
	second := gpu.Reading{Source: "nvml", State: gpu.OK, Devices: []gpu.Device{
		{UUID: "GPU-1", UtilizationPercent: gpu.Of(uint32(0)), MIG: gpu.Of(false), Fans: []gpu.Fan{{}, {Percent: 40}}},
	}}
	r := NewReader(bytes.NewReader(encoded(t, first, second, first)))
	var got gpu.Reading
	for i, want := range []gpu.Reading{first, second, first} {
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("reading %d (-want +got):\n%s", i, d)
		}
	}
	if err := r.Read(&got); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestSignsAndExtremes(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 90, -2147483648, 2147483647} {
		want := gpu.Reading{Devices: []gpu.Device{{MarginCelsius: gpu.Of(v), EnergyMillijoules: gpu.Of(^uint64(0))}}}
		var got gpu.Reading
		if err := NewReader(bytes.NewReader(encoded(t, want))).Read(&got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d (-want +got):\n%s", v, d)
		}
	}
}

// A newer probe sends what this reader does not know, of every type.
func TestWhatIsNotKnownIsSkipped(t *testing.T) {
	body := []byte{Version}
	for num, payload := range map[uint64][]byte{
		900<<3 | varintType:  {0x96, 1},
		901<<3 | bytesType:   {3, 'n', 'e', 'w'},
		902<<3 | fixed64Type: make([]byte, 8),
		903<<3 | fixed32Type: make([]byte, 4),
	} {
		body = append(binary.AppendUvarint(body, num), payload...)
	}
	body = append(body, 1<<3|bytesType, 4, 'n', 'v', 'm', 'l')
	var got gpu.Reading
	if err := NewReader(bytes.NewReader(framed(body))).Read(&got); err != nil {
		t.Fatal(err)
	}
	if got.Source != "nvml" {
		t.Errorf("the reading is %+v", got)
	}
}

func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestNamesThatAreNotText(t *testing.T) {
	want := gpu.Reading{Devices: []gpu.Device{{Name: "a\xff\xfeb"}}}
	var got gpu.Reading
	if err := NewReader(bytes.NewReader(encoded(t, want))).Read(&got); err != nil {
		t.Fatal(err)
	}
	if got.Devices[0].Name != "a?b" {
		t.Errorf("the name is %q", got.Devices[0].Name)
	}
}

func TestWhatIsNoFrame(t *testing.T) {
	for text, want := range map[string]error{
		"\x00\x00\x00\x00":                     ErrSize,
		"\xff\xff\xff\xffgarbage":              ErrSize,
		"\x00\x00\x00\x01\x02":                 ErrVersion,
		"\x00\x00\x00\x09\x01":                 io.ErrUnexpectedEOF,
		"\x00\x00\x00\x03\x01\x08":             io.ErrUnexpectedEOF,
		"\x00\x00\x00\x03\x01\x0a\x05":         io.ErrUnexpectedEOF, // a text longer than the frame
		"\x00\x00\x00\x03\x01\x08\x05":         errType,             // a number where a text belongs
		"\x00\x00\x00\x02\x01\x0b":             errType,             // a group, which protobuf gave up
		"\x00\x00\x00\x05\x01\x3a\x02\x08\x01": errType,             // in a row
		string(framed(append([]byte{Version}, bytes.Repeat([]byte{7<<3 | bytesType, 0}, maxRows+1)...))): errRows,
	} {
		var got gpu.Reading
		if err := NewReader(bytes.NewReader([]byte(text))).Read(&got); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
	}
}

func TestWritingAndReadingTakeNoMemory(t *testing.T) {
	want := filled(t)
	w := NewWriter(io.Discard)
	if err := w.Write(&want); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { w.Write(&want) }); n != 0 {
		t.Errorf("writing a frame takes memory %v times", n)
	}
	frame := encoded(t, want)
	in := bytes.NewReader(frame)
	r := NewReader(in)
	var got gpu.Reading
	if err := r.Read(&got); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		in.Reset(frame)
		r.Read(&got)
	}); n != 0 {
		t.Errorf("reading a frame takes memory %v times", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(encoded(f, gpu.Reading{Source: "nvml", Devices: []gpu.Device{{UUID: "GPU-1", Fans: []gpu.Fan{{Percent: 3}}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		var got, again gpu.Reading
		for r.Read(&got) == nil {
			if err := NewReader(bytes.NewReader(encoded(t, got))).Read(&again); err != nil {
				t.Fatalf("what was read cannot be written and read again: %v", err)
			}
			if d := cmp.Diff(got, again, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("what was read is another when written and read again:\n%s", d)
			}
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	r := gpu.Reading{Source: "nvml", State: gpu.OK, Devices: make([]gpu.Device, 8)}
	for i := range r.Devices {
		r.Devices[i] = gpu.Device{UUID: fmt.Sprint("GPU-", i), Name: "Example", UtilizationPercent: gpu.Of(uint32(i))}
	}
	frame := encoded(b, r)
	w, in := NewWriter(io.Discard), bytes.NewReader(frame)
	reader := NewReader(in)
	b.ReportAllocs()
	for b.Loop() {
		w.Write(&r)
		in.Reset(frame)
		reader.Read(&r)
	}
}
