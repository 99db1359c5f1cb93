package wire_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corral-fleet/corral/sdk/internal/pb/agentv1"
	"github.com/corral-fleet/corral/sdk/wire"
)

// schemaFrames returns the fields of the schema's envelope: one for each frame.
func schemaFrames() protoreflect.FieldDescriptors {
	return (&agentv1.Frame{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
}

// emptyFrame returns a frame of the type with this number, as a peer that sends
// an empty one would make the decoder do it.
func emptyFrame(t *testing.T, num protowire.Number) wire.Frame {
	t.Helper()
	f, err := wire.DecodeFrame(protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), nil))
	if err != nil {
		t.Fatalf("empty frame %d: %v", num, err)
	}
	return f
}

// TestSchemaIsComplete fills every field of every frame and takes it through
// the schema's own code and back. A field that the encoder or the schema lacks,
// a number or a type that differs and two fields that are swapped all show.
func TestSchemaIsComplete(t *testing.T) {
	frames := schemaFrames()
	for i := range frames.Len() {
		field := frames.Get(i)
		t.Run(string(field.Name()), func(t *testing.T) {
			f := emptyFrame(t, field.Number())
			if got, want := reflect.TypeOf(f).Elem().Name(), string(field.Message().Name()); got != want {
				t.Fatalf("frame %d decodes as %s, the schema says %s", field.Number(), got, want)
			}
			next := 0
			fill(t, reflect.ValueOf(f).Elem(), &next)

			var envelope agentv1.Frame
			if err := proto.Unmarshal(wire.AppendFrame(nil, f), &envelope); err != nil {
				t.Fatalf("the schema's code cannot read the frame: %v", err)
			}
			if unknown := unknownFields(envelope.ProtoReflect()); unknown != "" {
				t.Errorf("the encoder writes fields that the schema lacks: %s", unknown)
			}
			body := envelope.ProtoReflect().Get(field).Message()
			if diff := compare(reflect.ValueOf(f).Elem(), body); diff != "" {
				t.Error(diff)
			}

			b, err := proto.Marshal(&envelope)
			if err != nil {
				t.Fatal(err)
			}
			back, err := wire.DecodeFrame(b)
			if err != nil {
				t.Fatalf("the decoder cannot read what the schema's code wrote: %v", err)
			}
			if diff := cmp.Diff(f, back); diff != "" {
				t.Errorf("lost on the way back (-sent +got):\n%s", diff)
			}
		})
	}
}

func TestFramesOutsideTheSchemaAreUnknown(t *testing.T) {
	for num := protowire.Number(1); num <= 1100; num++ {
		_, unknown := emptyFrame(t, num).(*wire.Unknown)
		if inSchema := schemaFrames().ByNumber(num) != nil; inSchema == unknown {
			t.Errorf("frame %d: in the schema %v, known to the decoder %v", num, inSchema, !unknown)
		}
	}
}

// fill sets every field below v to a value that occurs once.
func fill(t *testing.T, v reflect.Value, next *int) {
	t.Helper()
	*next++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint32:
		v.SetUint(1<<31 + uint64(*next))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(*next))
	case reflect.Int64:
		v.SetInt(-int64(*next))
	case reflect.Float32:
		v.SetFloat(float64(*next) + 0.5)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d é", *next))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, "\xff\x00 bytes %d", *next))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, next)
		}
	default:
		t.Fatalf("a frame has a field of type %s, which this test cannot fill", v.Type())
	}
}

// compare says where a message differs from its Go form, field by field and by
// name, or returns "".
func compare(v reflect.Value, m protoreflect.Message) string {
	var diffs []string
	fields := m.Descriptor().Fields()
	if v.NumField() != fields.Len() {
		diffs = append(diffs, fmt.Sprintf("%s has %d fields, the schema %d", v.Type(), v.NumField(), fields.Len()))
	}
	for goField, value := range v.Fields() {
		field := fieldByGoName(fields, goField.Name)
		if field == nil {
			diffs = append(diffs, fmt.Sprintf("%s.%s is not in the schema", v.Type(), goField.Name))
			continue
		}
		if diff := compareField(value, field, m.Get(field)); diff != "" {
			diffs = append(diffs, fmt.Sprintf("%s.%s: %s", v.Type(), goField.Name, diff))
		}
	}
	return strings.Join(diffs, "\n")
}

func compareField(v reflect.Value, field protoreflect.FieldDescriptor, got protoreflect.Value) string {
	if !field.IsList() {
		return compareValue(v, field.Kind(), got)
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprintf("one %s, in the schema a list", v.Type())
	}
	list := got.List()
	if v.Len() != list.Len() {
		return fmt.Sprintf("%d rows, in the schema's code %d", v.Len(), list.Len())
	}
	for i := range v.Len() {
		if diff := compareValue(v.Index(i), field.Kind(), list.Get(i)); diff != "" {
			return fmt.Sprintf("row %d: %s", i, diff)
		}
	}
	return ""
}

// compareValue also holds the Go type against the schema's, since a varint
// alone does not tell a uint32 from an int64.
func compareValue(v reflect.Value, kind protoreflect.Kind, got protoreflect.Value) string {
	want := map[reflect.Kind]protoreflect.Kind{
		reflect.Bool:    protoreflect.BoolKind,
		reflect.Uint32:  protoreflect.Uint32Kind,
		reflect.Uint64:  protoreflect.Uint64Kind,
		reflect.Int64:   protoreflect.Int64Kind,
		reflect.Float32: protoreflect.FloatKind,
		reflect.String:  protoreflect.StringKind,
		reflect.Slice:   protoreflect.BytesKind,
		reflect.Struct:  protoreflect.MessageKind,
	}[v.Kind()]
	if kind != want {
		return fmt.Sprintf("%s, in the schema %s", v.Type(), kind)
	}
	if kind == protoreflect.MessageKind {
		return compare(v, got.Message())
	}
	return cmp.Diff(v.Interface(), got.Interface(), sameFloat)
}

// sameFloat takes two NaN as equal: each stands for "not known".
var sameFloat = cmp.Comparer(func(a, b float32) bool { return a == b || a != a && b != b })

// fieldByGoName finds a field by its Go name: run_id is RunID.
func fieldByGoName(fields protoreflect.FieldDescriptors, name string) protoreflect.FieldDescriptor {
	for i := range fields.Len() {
		if strings.EqualFold(strings.ReplaceAll(string(fields.Get(i).Name()), "_", ""), name) {
			return fields.Get(i)
		}
	}
	return nil
}

// unknownFields names the messages below m that hold fields beyond the schema.
func unknownFields(m protoreflect.Message) string {
	var found []string
	if len(m.GetUnknown()) > 0 {
		found = append(found, string(m.Descriptor().Name()))
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Kind() != protoreflect.MessageKind:
		case field.IsList():
			for i := range v.List().Len() {
				found = append(found, unknownFields(v.List().Get(i).Message()))
			}
		default:
			found = append(found, unknownFields(v.Message()))
		}
		return true
	})
	return strings.Join(strings.Fields(strings.Join(found, " ")), " ")
}
