package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

func file(header string, dataBytes int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, dataBytes)...)
}

func read(b []byte) ([]Tensor, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func TestASoundHeader(t *testing.T) {
	b := file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[],"data_offsets":[16,20]}}   `, 20)
	got, err := read(b)
	want := []Tensor{{"a", "F32", []uint64{}, 4}, {"b", "BF16", []uint64{2, 4}, 16}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || got[1].Elements() != 8 || !Looks(b) {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestWhatIsNoneIsRefused(t *testing.T) {
	one := func(tensor string) []byte { return file(`{"a":`+tensor+`}`, 16) }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":                       {nil, "shortest"},
		"a length alone":                {[]byte{1, 0, 0, 0, 0, 0, 0, 0}, "beyond its end"},
		"a negative length":             {append(binary.LittleEndian.AppendUint64(nil, 1<<63), "{}"...), "beyond its end"},
		"no JSON":                       {file(`{"a"`, 0), "no JSON object"},
		"a list":                        {file(`[]`, 0), "no JSON object"},
		"no tensors":                    {file(`{"__metadata__":{}}`, 0), "0 tensors"},
		"a tensor that is none":         {one(`7`), "is none"},
		"three offsets too few":         {one(`{"dtype":"F32","shape":[1],"data_offsets":"x"}`), "is none"},
		"a negative place":              {one(`{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}`), "is none"},
		"beyond the end":                {one(`{"dtype":"F32","shape":[8],"data_offsets":[0,32]}`), "of 16 bytes"},
		"the end before the beginning":  {one(`{"dtype":"F32","shape":[1],"data_offsets":[8,4]}`), "is at 8 to 4"},
		"a shape that overflows":        {one(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}`), "impossible"},
		"another shape":                 {one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), "has 4 bytes"},
		"half a byte":                   {one(`{"dtype":"F4","shape":[3],"data_offsets":[0,1]}`), "has 1 bytes"},
		"a type that there is not":      {one(`{"dtype":"F99","shape":[1],"data_offsets":[0,4]}`), "isn't known"},
		"nine dimensions":               {one(`{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}`), "9 dimensions"},
		"no name":                       {file(`{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "name of 0 bytes"},
		"two in one place":              {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "in one place"},
		"a header that is too long":     {append(binary.LittleEndian.AppendUint64(nil, maxHeaderBytes+1), make([]byte, maxHeaderBytes+1)...), "more than"},
		"deeper than anybody can count": {file(strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000), 0), "no JSON object"},
	} {
		if _, err := read(c.file); fault.KindOf(err) != fault.Corrupt || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

type away struct{}

var errAway = errors.New("it is away")

func (away) ReadAt([]byte, int64) (int, error) { return 0, errAway }

func TestErrorsOfTheReaderAreReturned(t *testing.T) {
	if _, err := Read(away{}, 100); !errors.Is(err, errAway) {
		t.Error(err)
	}
	// A file that is shorter than it is said to be is damaged.
	b := file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)
	if _, err := Read(bytes.NewReader(b[:20]), int64(len(b))); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		tensors, err := read(b)
		if err != nil {
			return
		}
		for _, one := range tensors {
			if one.SizeBytes < 0 || one.SizeBytes > int64(len(b)) {
				t.Errorf("%+v of %d bytes", one, len(b))
			}
		}
	})
}
