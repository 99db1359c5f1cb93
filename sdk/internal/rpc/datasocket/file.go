package datasocket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Arrival is a connection, with the file that may have been passed along.
type Arrival struct {
	*net.UnixConn
	File *os.File // nil for none
}

// Close closes both.
func (a Arrival) Close() error {
	if a.File != nil {
		a.File.Close() // it was only read
	}
	return a.UnixConn.Close()
}

// sendToken sends a token, and a file along with it. A connection that is new has room
// for both.
func sendToken(conn *net.UnixConn, token []byte, file *os.File) error {
	if file == nil {
		_, err := conn.Write(token)
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		_, _, sent = conn.WriteMsgUnix(token, syscall.UnixRights(int(fd)), nil)
	}); err != nil {
		return err
	}
	return sent
}

// readToken reads a token, and takes the file that may come with its first byte.
func readToken(conn *net.UnixConn, t *token) (*os.File, error) {
	passed := make([]byte, syscall.CmsgSpace(4)) // bytes of one descriptor
	n, m, _, _, err := conn.ReadMsgUnix(t[:], passed)
	if err != nil {
		return nil, err
	}
	file := fileOf(passed[:m])
	_, err = io.ReadFull(conn, t[n:])
	if err != nil && file != nil {
		file.Close()
		file = nil
	}
	return file, err
}

// fileOf returns the first file of a control message, and closes any other.
func fileOf(control []byte) (file *os.File) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		descriptors, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range descriptors {
			if file == nil {
				file = os.NewFile(uintptr(fd), "passed")
			} else {
				_ = syscall.Close(fd) // of whoever sends more than one
			}
		}
	}
	return file
}
