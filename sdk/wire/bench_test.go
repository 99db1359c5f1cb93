package wire_test

import (
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func BenchmarkEncodeSample(b *testing.B) {
	var e wire.Encoder
	s := exampleSample(64)
	buf := e.AppendFrame(nil, s)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendFrame(buf[:0], s)
	}
}

func BenchmarkDecodeSample(b *testing.B) {
	var e wire.Encoder
	encoded := e.AppendSample(nil, exampleSample(64))
	var s wire.Sample
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.DecodeSample(encoded, &s); err != nil {
			b.Fatal(err)
		}
	}
}
