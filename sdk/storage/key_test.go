package storage_test

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

func TestKeys(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 127)+"/", 8)[:1024-1] + "y"
	for key, want := range map[string]bool{
		"a": true, "a/b": true, ".hidden": true, "a/.corral": true, "..a": true, "...": true, "ü/日本": true, " ": true, "a\\b": true, long: true,
		strings.Repeat("x", 255): true,
		"":                       false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/../b": false, "a/.": false, "../../bin/sh": false,
		"a\x00b": false, "a\nb": false, "a\u0085": false, "\xff": false, long + "z": false, strings.Repeat("x", 256): false, ".corral": false, ".corral/x": false,
	} {
		err := storage.CheckKey(key)
		if (err == nil) != want {
			t.Errorf("%.40q: %v", key, err)
		}
		if err != nil && (fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller) {
			t.Errorf("%.40q: %v on %v", key, fault.KindOf(err), fault.SideOf(err))
		}
	}
}

// A prefix will do if and only if some key begins with it.
func TestPrefixes(t *testing.T) {
	for prefix, want := range map[string]bool{
		"": true, "a": true, "a/": true, "a/b": true, ".": true, "..": true, "a/.": true, "a/..": true, ".corral": true, strings.Repeat("x", 255): true,
		"/": false, "a//": false, "./": false, "../": false, "a/../": false, ".corral/": false, "\x00": false, strings.Repeat("x/", 513): false, strings.Repeat("x", 256): false,
	} {
		if err := storage.CheckPrefix(prefix); (err == nil) != want {
			t.Errorf("%.40q: %v", prefix, err)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct{ offset, length, size, wantOffset, wantLength int64 }{
		{0, 0, 10, 0, 10},
		{0, 3, 10, 0, 3},
		{9, 0, 10, 9, 1},
		{9, 5, 10, 9, 1},
		{0, 0, 0, 0, 0},
		{0, 7, 0, 0, 0},
		{0, 1<<63 - 1, 10, 0, 10},
		{1, 1<<63 - 1, 10, 1, 9},
		{10, 0, 10, -1, 0},
		{1, 0, 0, -1, 0},
		{-1, 0, 10, -1, 0},
		{0, -1, 10, -1, 0},
	} {
		offset, length, err := storage.Range{OffsetBytes: c.offset, LengthBytes: c.length}.Of(c.size)
		if c.wantOffset < 0 {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%+v: %d, %d, %v", c, offset, length, err)
			}
			continue
		}
		if err != nil || offset != c.wantOffset || length != c.wantLength {
			t.Errorf("%+v: %d, %d, %v", c, offset, length, err)
		}
	}
}
