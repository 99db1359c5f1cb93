package storage

import "io"

// Of returns where a range begins in an object of so many bytes, and how long it is
// there. One that begins behind the object's end is fault.Invalid on the caller's
// side, and so is one that is negative. An empty object has its beginning, and
// nothing else.
func (r Range) Of(sizeBytes int64) (offsetBytes, lengthBytes int64, err error) {
	if r.OffsetBytes < 0 || r.LengthBytes < 0 {
		return 0, 0, invalid("a range of %d bytes from %d on is not one", r.LengthBytes, r.OffsetBytes)
	}
	if r.OffsetBytes > 0 && r.OffsetBytes >= sizeBytes {
		return 0, 0, invalid("a range begins at %d, and the object has %d bytes", r.OffsetBytes, sizeBytes)
	}
	length := sizeBytes - r.OffsetBytes
	if r.LengthBytes > 0 {
		length = min(length, r.LengthBytes)
	}
	return r.OffsetBytes, length, nil
}

// Section returns a part of an object that can be read at any place, and closes that
// when it is closed.
func Section(object interface {
	io.ReaderAt
	io.Closer
}, sizeBytes int64, r Range,
) (io.ReadCloser, error) {
	offset, length, err := r.Of(sizeBytes)
	if err != nil {
		return nil, closing(object, err)
	}
	return section{io.NewSectionReader(object, offset, length), object}, nil
}

type section struct {
	*io.SectionReader
	io.Closer
}
