package stage

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func TestCloseEndsInReverseAndClearsAway(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.Folder("data")
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	late := errors.New("late")
	s.Add(func() error { order = append(order, 1); return errors.New("later still") })
	s.Add(func() error { order = append(order, 2); return late })
	if err := s.Close(nil); !errors.Is(err, late) {
		t.Errorf("Close = %v, want %v", err, late)
	}
	if !slices.Equal(order, []int{2, 1}) {
		t.Errorf("ended in the order %v", order)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestCloseKeepsTheFirstFailure(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	first := errors.New("first")
	s.Add(func() error { return errors.New("because of it") })
	if err := s.Close(first); !errors.Is(err, first) || err.Error() != "first" {
		t.Errorf("Close = %v, want %v alone", err, first)
	}
}
