package gguf

import (
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/fault"
)

// What a header may have at most.
const (
	maxKeys           = 10_000
	maxTensors        = 200_000
	maxStringBytes    = 1 << 20
	maxKeyBytes       = 65_535
	maxNameBytes      = 64 // of a tensor
	maxArrayElements  = 16 << 20
	maxDimensions     = 4
	maxAlignmentBytes = 1 << 20

	defaultAlignmentBytes = 32
)

// What is kept of an array: those of a model's layers are shorter, those of its
// vocabulary longer.
const (
	keptElements    = 4096
	keptStringBytes = 64 << 10 // of all the elements together
)

// maxKeptBytes is the memory that all of the metadata may take.
const maxKeptBytes = 16 << 20

// Read reads the header of a GGUF file of so many bytes. It reads ahead, 256 KiB
// first and then in pieces of 4 MiB, and 64 MiB at most in all; file is asked for one range at a time, and never
// for one beyond its size.
//
// Versions 2 and 3 are read, in little endian. Any other file fails with
// [fault.Invalid] and a sentence that says where it is broken, and so does one that
// goes beyond what a header may have: strings of 1 MiB, arrays of 16 Mi elements that
// aren't arrays themselves, 10,000 keys, 16 MiB of metadata beside the vocabulary, 200,000 tensors of four dimensions with names of
// 64 bytes, an alignment that is a power of two up to 1 MiB. Tensors lie within the file, at multiples
// of the alignment, and don't overlap.
func Read(file io.ReaderAt, size int64) (*Header, error) {
	w := newWindow(file, size)
	h := &Header{AlignmentBytes: defaultAlignmentBytes, SizeBytes: size}
	var counts counts
	counts.read(w, h)
	h.readKeys(w, counts.keys)
	h.readTensors(w, counts.tensors)
	h.place(w)
	if w.err != nil {
		return nil, w.err
	}
	return h, nil
}

// counts are how many tensors and keys the start of the file announces.
type counts struct{ tensors, keys int }

func (c *counts) read(w *window, h *Header) {
	const magic = "GGUF"
	if w.size < 24 {
		w.err = fault.New(fault.Invalid, "the file is not a GGUF: it has %d bytes, and the shortest has 24", w.size)
		return
	}
	switch found := string(w.bytes(4, "the magic number")); {
	case w.err != nil:
		return
	case found == "ggml" || found == "lmgg" || found == "tjgg" || found == "fmgg":
		w.err = fault.New(fault.Invalid, "the file is of a format that came before GGUF: convert it with llama.cpp first")
		return
	case found != magic:
		w.err = fault.New(fault.Invalid, "the file is not a GGUF: it begins with %q", found)
		return
	}
	switch h.Version = w.uint32("the version"); {
	case w.err != nil:
	case h.Version == 2, h.Version == 3:
	case h.Version == 1:
		w.err = fault.New(fault.Invalid, "the file is a GGUF of version 1, which is no longer read: convert it anew")
	case h.Version&0xffff == 0 && h.Version != 0:
		w.err = fault.New(fault.Invalid, "the file is a GGUF for big-endian machines, which aren't supported")
	default:
		w.err = fault.New(fault.Invalid, "the file is a GGUF of version %d; versions 2 and 3 are known", h.Version)
	}
	// An entry for a tensor has at least 24 bytes, one for a key 13.
	c.tensors = w.count("tensors", maxTensors, 24)
	c.keys = w.count("keys", maxKeys, 13)
}

// count reads how many of something follow, each of which has a least length.
func (w *window) count(what string, most, leastBytes int64) int {
	at := w.at()
	n := w.uint64("the number of " + what)
	switch {
	case n > uint64(most):
		w.fail(at, "it announces %d %s; at most %d are read", n, what, most)
	case int64(n) > w.left()/leastBytes:
		w.fail(at, "it announces %d %s, for which the %d bytes that follow are too few", n, what, w.left())
	}
	if w.err != nil {
		return 0
	}
	return int(n)
}

// readKeys reads the metadata.
func (h *Header) readKeys(w *window, n int) {
	h.KeysOffsetBytes = w.at()
	seen := make(map[string]bool, min(n, 256))
	for range n {
		at := w.at()
		key := w.name("a key", maxKeyBytes)
		if seen[key] {
			w.fail(at, "the key %q occurs for the second time", key)
		}
		seen[key] = true
		value := w.value(key)
		if key == "general.alignment" {
			h.align(w, at, value)
		}
		if w.err != nil {
			return
		}
		if !w.keep(entryBytes + len(key)) {
			return
		}
		h.Metadata = append(h.Metadata, Entry{Key: key, Value: value, OffsetBytes: at, LengthBytes: w.at() - at})
	}
	h.KeysEndBytes = w.at()
}

// align takes over an alignment that the file declares.
func (h *Header) align(w *window, at int64, value any) {
	if w.err != nil {
		return
	}
	n, is := value.(uint32)
	if !is || n == 0 || n&(n-1) != 0 || n > maxAlignmentBytes {
		w.fail(at, "the alignment is %v: it has to be a uint32 that is a power of two up to %d", value, maxAlignmentBytes)
		return
	}
	h.AlignmentBytes = int64(n)
}

// name reads the name of a key or tensor, which people will be shown.
func (w *window) name(what string, most uint64) string {
	at := w.at()
	s := w.string(what, most)
	switch {
	case w.err != nil:
	case s == "":
		w.fail(at, "%s has an empty name", what)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, isControl):
		w.fail(at, "%s has a name that isn't text: %q", what, shortened(s))
	}
	return s
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// shortened cuts a text for a sentence.
func shortened(s string) string { return s[:min(len(s), 80)] }

// stringLength reads the length of a string, and says whether the string is there.
func (w *window) stringLength(what string, most uint64) (int, bool) {
	at := w.at()
	n := w.uint64("the length of " + what)
	switch {
	case w.err != nil:
	case n > uint64(w.left()):
		w.fail(at, "%s of %d bytes goes beyond the end of the file, which has %d bytes", what, n, w.size)
	case n > most:
		w.fail(at, "%s has %d bytes; at most %d are read", what, n, most)
	}
	return int(min(n, math.MaxInt32)), w.err == nil
}

func (w *window) string(what string, most uint64) string {
	n, there := w.stringLength(what, most)
	if !there {
		return ""
	}
	return string(w.bytes(n, what))
}
