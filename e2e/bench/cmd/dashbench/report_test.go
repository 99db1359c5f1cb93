package main

import "testing"

func TestHeapGrowth(t *testing.T) {
	cases := map[string]struct {
		heap []float64
		want float64
	}{
		"flat":      {[]float64{10, 11, 10, 10, 10, 11, 10}, 0},
		"growing":   {[]float64{10, 10, 10, 12, 15, 15, 15}, 50},
		"shrinking": {[]float64{20, 20, 10, 10}, -50},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (result{HeapBytes: c.heap}).heapGrowth(); got != c.want {
				t.Errorf("heapGrowth = %v, want %v", got, c.want)
			}
		})
	}
}
