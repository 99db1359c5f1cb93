package storm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestSamplesAreKeptUntilTheyAreAcknowledged(t *testing.T) {
	k := newKept()
	left := func() (seqs []uint64) {
		for at := uint64(0); ; {
			seq, frame := k.after(at)
			if frame == nil {
				return seqs
			}
			decoded, err := wire.DecodeFrame(frame)
			if s, ok := decoded.(*wire.Sample); err != nil || !ok || s.Seq != seq {
				t.Fatalf("sample %d is %+v, %v", seq, decoded, err)
			}
			seqs, at = append(seqs, seq), seq
		}
	}
	for range 5 {
		k.push(&wire.Sample{})
	}
	for _, c := range []struct {
		acked uint64
		want  []uint64
	}{{0, []uint64{1, 2, 3, 4, 5}}, {2, []uint64{3, 4, 5}}, {1, []uint64{3, 4, 5}}, {9, nil}} {
		k.forget(c.acked)
		if diff := cmp.Diff(c.want, left()); diff != "" {
			t.Errorf("with %d acknowledged (-want +got)\n%s", c.acked, diff)
		}
	}
	for range maxKept + 2 {
		k.push(&wire.Sample{})
	}
	if taken, waiting := k.counts(); taken != 5+maxKept+2 || waiting != maxKept || left()[0] != 8 {
		t.Errorf("%d were taken and %d are kept, from %d on", taken, waiting, left()[0])
	}
}
