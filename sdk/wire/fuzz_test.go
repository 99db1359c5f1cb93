package wire_test

import (
	"bytes"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/corral-fleet/corral/sdk/internal/pb/agentv1"
	"github.com/corral-fleet/corral/sdk/wire"
)

// FuzzDecodeFrame takes bytes of strangers. What is decoded must survive being
// encoded again, and the schema's own code must see the same in it.
func FuzzDecodeFrame(f *testing.F) {
	for _, frame := range examples() {
		f.Add(wire.AppendFrame(nil, frame))
	}
	f.Add(wire.AppendFrame(nil, &wire.Unknown{Number: 1000, Payload: []byte{1, 2, 3}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := wire.DecodeFrame(b)
		if err != nil {
			return
		}
		encoded := wire.AppendFrame(nil, first)
		second, err := wire.DecodeFrame(encoded)
		if err != nil {
			t.Fatalf("cannot decode what was encoded: %v", err)
		}
		if diff := cmp.Diff(first, second, sameFloat, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("another frame after a round trip:\n%s", diff)
		}
		if again := wire.AppendFrame(nil, second); !bytes.Equal(encoded, again) {
			t.Fatalf("encoded as %x, then as %x", encoded, again)
		}
		sameAsSchema(t, first, encoded)
	})
}

// sameAsSchema holds a frame against what the schema's code reads from its
// encoding. That code refuses strings that are not UTF-8, ours takes them.
func sameAsSchema(t *testing.T, f wire.Frame, encoded []byte) {
	t.Helper()
	if _, unknown := f.(*wire.Unknown); unknown || !utf8Strings(reflect.ValueOf(f).Elem()) {
		return
	}
	var e agentv1.Frame
	if err := proto.Unmarshal(encoded, &e); err != nil {
		t.Fatalf("the schema's code cannot read %x: %v", encoded, err)
	}
	m := e.ProtoReflect()
	body := m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("body"))).Message()
	if diff := compare(reflect.ValueOf(f).Elem(), body); diff != "" {
		t.Fatalf("the schema's code reads %x differently: %s", encoded, diff)
	}
}

func utf8Strings(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Struct:
		for _, field := range v.Fields() {
			if !utf8Strings(field) {
				return false
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if !utf8Strings(v.Index(i)) {
				return false
			}
		}
	}
	return true
}

// FuzzDecodeSample decodes into one sample over and over, as a reader of the
// history does: nothing of an earlier sample may show in a later one.
func FuzzDecodeSample(f *testing.F) {
	var e wire.Encoder
	for _, cores := range []int{0, 1, 64} {
		f.Add(e.AppendSample(nil, exampleSample(cores)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reused := exampleSample(8)
		if err := wire.DecodeSample(b, reused); err != nil {
			return
		}
		var fresh wire.Sample
		if err := wire.DecodeSample(b, &fresh); err != nil {
			t.Fatalf("decodes into a used sample, and not into a fresh one: %v", err)
		}
		var enc wire.Encoder
		encoded := enc.AppendSample(nil, &fresh)
		if fromReused := enc.AppendSample(nil, reused); !bytes.Equal(encoded, fromReused) {
			t.Fatalf("a used sample holds something else than a fresh one:\n%x\n%x", fromReused, encoded)
		}
		var again wire.Sample
		if err := wire.DecodeSample(encoded, &again); err != nil {
			t.Fatalf("cannot decode what was encoded: %v", err)
		}
		if diff := cmp.Diff(fresh, again, sameFloat, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("another sample after a round trip:\n%s", diff)
		}
	})
}
