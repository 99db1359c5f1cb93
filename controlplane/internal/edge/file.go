package edge

import (
	"io"
	"sync"
)

const (
	// fileBytes is from which length on an answer goes out in pieces of pieceBytes: as
	// fasthttp does it by itself, they have 4 KiB, and of a model's file each takes two
	// system calls and a message of its plugin.
	fileBytes  = 256 << 10
	pieceBytes = 128 << 10
)

// file is the outflow of a large answer whose length is known.
type file struct {
	*outflow

	buffers *sync.Pool
}

// WriteTo implements [io.WriterTo] for fasthttp's writer.
func (f file) WriteTo(w io.Writer) (written int64, err error) {
	buffer, ok := f.buffers.Get().(*[pieceBytes]byte)
	if !ok {
		buffer = new([pieceBytes]byte)
	}
	defer f.buffers.Put(buffer)
	for {
		n, err := f.Read(buffer[:])
		if n > 0 {
			m, failed := w.Write(buffer[:n])
			written += int64(m)
			if failed != nil {
				return written, failed
			}
		}
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}
