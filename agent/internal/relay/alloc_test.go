//go:build !race

package relay

import (
	"io"
	"net/http"
	"strconv"
	"testing"
)

// TestAPieceDoesNotAllocate compares answers of few and of many pieces: all that
// an exchange allocates, it does once.
func TestAPieceDoesNotAllocate(t *testing.T) {
	c, _ := through(t, standIn(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("pieces"))
		if err != nil {
			t.Error(err)
		}
		piece := []byte("a piece of an answer\n")
		for range n {
			w.Write(piece)
			w.(http.Flusher).Flush()
		}
	}))
	buf := make([]byte, pieceSize)
	perAnswer := func(pieces string) float64 {
		return testing.AllocsPerRun(50, func() {
			req := streaming()
			req.Target += "?pieces=" + pieces
			res, err := c.Do(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = res.Body.Read(buf)
			}
			if err != io.EOF {
				t.Error(err)
			}
			res.Body.Close()
		})
	}
	few, many := perAnswer("10"), perAnswer("1010")
	t.Logf("%v allocations with 10 pieces, %v with 1010, the stand-in's included", few, many)
	if each := (many - few) / 1000; each > 0.02 {
		t.Errorf("%v allocations a piece, want none", each)
	}
}
