package wire_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corral-fleet/corral/sdk/wire"
)

// envelope puts a frame's payload into its envelope.
func envelope(num protowire.Number, payload []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), payload)
}

func TestUnknownFrameIsKeptAside(t *testing.T) {
	sent := &wire.Unknown{Number: 1007, Payload: []byte("from the future")}
	got, err := wire.DecodeFrame(wire.AppendFrame(nil, sent))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Frame(sent), got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	unknown := map[string]func([]byte) []byte{
		"varint": func(b []byte) []byte {
			return protowire.AppendVarint(protowire.AppendTag(b, 900, protowire.VarintType), math.MaxUint64)
		},
		"fixed32": func(b []byte) []byte {
			return protowire.AppendFixed32(protowire.AppendTag(b, 901, protowire.Fixed32Type), 7)
		},
		"fixed64": func(b []byte) []byte {
			return protowire.AppendFixed64(protowire.AppendTag(b, 902, protowire.Fixed64Type), 7)
		},
		"bytes": func(b []byte) []byte {
			return protowire.AppendString(protowire.AppendTag(b, 903, protowire.BytesType), "new")
		},
		"group": func(b []byte) []byte {
			b = protowire.AppendTag(b, 904, protowire.StartGroupType)
			b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), 7)
			return protowire.AppendTag(b, 904, protowire.EndGroupType)
		},
	}
	for kind, appendField := range unknown {
		t.Run(kind, func(t *testing.T) {
			payload := appendField(nil)
			payload = protowire.AppendVarint(protowire.AppendTag(payload, 1, protowire.VarintType), 41)
			payload = appendField(payload)
			got, err := wire.DecodeFrame(envelope(5, payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wire.Frame(&wire.Ping{ID: 41}), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWrongWireTypes gives every field of every message each type that it does
// not have.
func TestWrongWireTypes(t *testing.T) {
	frames := schemaFrames()
	for i := range frames.Len() {
		frame := frames.Get(i)
		wrongTypes(t, frame.Message(), func(payload []byte) []byte { return envelope(frame.Number(), payload) })
	}
}

func wrongTypes(t *testing.T, m protoreflect.MessageDescriptor, wrap func([]byte) []byte) {
	t.Helper()
	values := map[protowire.Type][]byte{
		protowire.VarintType:     {1},
		protowire.Fixed32Type:    {1, 2, 3, 4},
		protowire.Fixed64Type:    {1, 2, 3, 4, 5, 6, 7, 8},
		protowire.BytesType:      {0},
		protowire.StartGroupType: nil,
	}
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		for typ, value := range values {
			if typ == wireType(field) {
				continue
			}
			b := append(protowire.AppendTag(nil, field.Number(), typ), value...)
			if typ == protowire.StartGroupType {
				b = protowire.AppendTag(b, field.Number(), protowire.EndGroupType)
			}
			if f, err := wire.DecodeFrame(wrap(b)); err == nil {
				t.Errorf("%s with wire type %d was taken: %+v", field.FullName(), typ, f)
			}
		}
		if field.Kind() == protoreflect.MessageKind {
			wrongTypes(t, field.Message(), func(payload []byte) []byte {
				return wrap(envelope(field.Number(), payload))
			})
		}
	}
}

func wireType(field protoreflect.FieldDescriptor) protowire.Type {
	switch {
	case field.IsList(), field.Kind() == protoreflect.MessageKind, field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
		return protowire.BytesType
	case field.Kind() == protoreflect.FloatKind:
		return protowire.Fixed32Type
	}
	return protowire.VarintType
}

// TestCutOff cuts every example at every length. The envelope announces how
// long its frame is, so each of them is an error.
func TestCutOff(t *testing.T) {
	for name, f := range examples() {
		b := wire.AppendFrame(nil, f)
		for n := range len(b) {
			if got, err := wire.DecodeFrame(b[:n:n]); err == nil {
				t.Errorf("%s: %d of %d bytes were taken: %+v", name, n, len(b), got)
			}
		}
	}
}

// TestCutOffSample cuts a sample that has no envelope: what is there is decoded
// or an error, and never a panic.
func TestCutOffSample(t *testing.T) {
	var e wire.Encoder
	b := e.AppendSample(nil, exampleSample(4))
	var s wire.Sample
	failed := 0
	for n := range len(b) {
		if err := wire.DecodeSample(b[:n:n], &s); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no cut was an error, those inside a field must be")
	}
}

func TestMalformedFrames(t *testing.T) {
	floats := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte{1, 2, 3, 4, 5})
	cases := map[string][]byte{
		"empty":                     {},
		"field number zero":         {0x02, 0x00},
		"not length-delimited":      {0x28, 0x01},
		"length beyond the input":   {0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"bytes after the frame":     append(envelope(5, nil), 0),
		"two frames":                append(envelope(5, nil), envelope(6, nil)...),
		"varint without an end":     envelope(5, []byte{0x08, 0x80, 0x80}),
		"varint of eleven bytes":    envelope(5, append([]byte{0x08}, strings.Repeat("\xff", 11)...)),
		"group without a start":     envelope(5, []byte{0x0c}),
		"group without an end":      envelope(5, []byte{0x0b}),
		"list of floats is cut off": envelope(7, envelope(3, floats)),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			if f, err := wire.DecodeFrame(b); err == nil {
				t.Errorf("was taken: %+v", f)
			}
		})
	}
}

func TestLastValueWins(t *testing.T) {
	payload := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "first")
	payload = protowire.AppendString(protowire.AppendTag(payload, 1, protowire.BytesType), "last")
	got, err := wire.DecodeFrame(envelope(12, payload))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Frame(&wire.Goodbye{Reason: "last"}), got); diff != "" {
		t.Error(diff)
	}
}

func TestAbsentIsNotZero(t *testing.T) {
	sent := &wire.Sample{Seq: 1, CPU: wire.CPU{Known: true, TotalPercent: float32(math.NaN())}, GPUs: []wire.GPU{lostGPU()}}
	f, err := wire.DecodeFrame(wire.AppendFrame(nil, sent))
	if err != nil {
		t.Fatal(err)
	}
	got := f.(*wire.Sample)
	if !math.IsNaN(float64(got.CPU.TotalPercent)) {
		t.Errorf("a float that is not known came back as %v", got.CPU.TotalPercent)
	}
	if got.Memory.Known {
		t.Error("a group that is not known came back as known")
	}
	if diff := cmp.Diff(sent.GPUs, got.GPUs, sameFloat); diff != "" {
		t.Errorf("a GPU that is lost (-sent +got)\n%s", diff)
	}
}

// TestDecodedFrameSharesNoMemory overwrites the input after it was decoded, as
// a reader that reuses its buffer does.
func TestDecodedFrameSharesNoMemory(t *testing.T) {
	frames := examples()
	frames["unknown"] = &wire.Unknown{Number: 1000, Payload: []byte("payload")}
	for name, want := range frames {
		b := wire.AppendFrame(nil, want)
		got, err := wire.DecodeFrame(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range b {
			b[i] = 0xff
		}
		if diff := cmp.Diff(want, got, sameFloat); diff != "" {
			t.Errorf("%s changed with the buffer:\n%s", name, diff)
		}
	}
}
