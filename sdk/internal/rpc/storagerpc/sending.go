package storagerpc

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/storage"
)

// putStream is the call of an upload.
type putStream = grpc.BidiStreamingClient[storagev1.PutRequest, storagev1.PutResponse]

// put sends a source. Its error is returned as it is; the plugin stores nothing then.
func (c *Client) put(ctx context.Context, key string, src storage.Source, create bool) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	what := &storagev1.PutRequest_Begin{Instance: c.instance, Key: key, SizeBytes: max(src.SizeBytes(), -1), Create: create}
	pass := passableOf(in, what.GetSizeBytes())
	what.Given = pass.file != nil && pass.sum != nil
	s, err := c.begin(ctx, what, in, pass.file)
	if err != nil {
		return err
	}
	defer s.end()
	if s.passed && what.GetGiven() { // and what its sha256 is, is known
		s.commit(what.GetSizeBytes(), pass.sum)
		return s.stored(what.GetSizeBytes())
	}
	from := io.Reader(in)
	if s.passed {
		from = io.NewSectionReader(pass.file, 0, what.GetSizeBytes())
	}
	sent, sum, err := s.all(from)
	switch {
	case errors.Is(err, errAnswered):
		return s.answer()
	case err != nil:
		return s.abort(err)
	case src.SizeBytes() >= 0 && sent != src.SizeBytes():
		return s.abort(fault.New(fault.Invalid, "%d bytes came, where %d were announced", sent, src.SizeBytes()).On(fault.Caller))
	}
	if err := pass.check(sum); err != nil {
		return s.abort(err)
	}
	s.commit(sent, sum)
	return s.stored(sent)
}

// sending is an upload to a plugin.
type sending struct {
	out      putStream
	socket   *net.UnixConn // where the data goes, nil for data parts
	passed   bool          // the plugin has the file itself
	watcher  Watcher       // who wants to know how far it is with that, nil for nobody
	cancel   context.CancelFunc
	over     chan struct{} // closed when the plugin has answered
	answered chan error    // what it says of the upload, once
}

// begin begins an upload. One whose data would have to pass a socket that can't be
// reached is begun again without.
func (c *Client) begin(ctx context.Context, what *storagev1.PutRequest_Begin, in io.Reader, pass *os.File) (*sending, error) {
	what.Socket = c.useSocket.Load() && (what.GetSizeBytes() < 0 || what.GetSizeBytes() > DataBytes)
	s, err := c.tryToBegin(ctx, what, in, pass)
	if errors.Is(err, errNoSocket) {
		what.Socket = false
		s, err = c.tryToBegin(ctx, what, in, pass)
	}
	return s, err
}

func (c *Client) tryToBegin(ctx context.Context, what *storagev1.PutRequest_Begin, in io.Reader, pass *os.File) (_ *sending, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	out, err := c.storage.Put(ctx)
	if err != nil {
		return nil, rpc.Fault(ctx, err)
	}
	// That it is refused is told by the answer.
	_ = out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Begin_{Begin: what}})
	s := &sending{out: out, cancel: cancel, over: make(chan struct{}), answered: make(chan error, 1)}
	s.watcher, _ = in.(Watcher)
	if what.GetSocket() {
		if err = c.meet(ctx, s, pass); err != nil {
			return nil, err
		}
	}
	go s.listen(ctx)
	return s, nil
}

// meet connects to the data socket, once the plugin has told how, and passes the file
// if there is one and it is taken. A plugin may want data parts after all.
func (c *Client) meet(ctx context.Context, s *sending, file *os.File) error {
	response, err := s.out.Recv()
	ready := response.GetReady()
	switch {
	case err == io.EOF:
		return brokenOff()
	case err != nil:
		return rpc.Fault(ctx, err)
	case ready == nil:
		return broken("it stores an upload before there is one")
	case len(ready.GetToken()) == 0:
		return nil
	}
	if !ready.GetFile() {
		file = nil
	}
	s.passed = file != nil
	s.socket, err = c.dial(ctx, ready.GetToken(), file)
	return err
}

// listen waits for what the plugin says. Whatever that is, it takes no more.
func (s *sending) listen(ctx context.Context) {
	err := answer(ctx, s.out, s.took)
	if s.socket != nil {
		s.socket.Close() // ends a write that nobody reads
	}
	close(s.over)
	s.answered <- err
}

// took passes on how much the plugin has read of a file.
func (s *sending) took(bytes int64) {
	if s.passed && s.watcher != nil {
		s.watcher.Took(bytes)
	}
}

// end lets go of the upload, however far it came.
func (s *sending) end() { s.cancel() }

// Write implements io.Writer: it sends data.
func (s *sending) Write(data []byte) (int, error) {
	switch {
	case s.passed:
		select {
		case <-s.over:
			return 0, errAnswered
		default:
			return len(data), nil // it reads the file
		}
	case s.socket != nil:
		return s.socket.Write(data)
	}
	return len(data), s.out.Send(&storagev1.PutRequest{Part: &storagev1.PutRequest_Data{Data: data}})
}

// errAnswered is that the plugin takes no more, because it has answered.
var errAnswered = errors.New("the plugin has answered")

// all sends all that there is to read, and returns how much that was and its sha256.
func (s *sending) all(in io.Reader) (sent int64, sum []byte, err error) {
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buffer := *pooled
	if s.socket != nil {
		buffer = buffer[:socketBytes]
	}
	hash := sha256.New()
	for {
		n, err := fill(in, buffer)
		if n > 0 && (err == nil || err == io.EOF) {
			hash.Write(buffer[:n])
			sent += int64(n)
			if _, refused := s.Write(buffer[:n]); refused != nil {
				return sent, nil, errAnswered
			}
		}
		if err == io.EOF {
			return sent, hash.Sum(nil), nil
		}
		if err != nil {
			return sent, nil, err
		}
	}
}

// fill reads until the buffer is full or an error comes, which it returns as it is:
// with io.ReadFull an end would look like a source that broke off.
func fill(in io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = in.Read(buffer[n:])
		n += more
	}
	return n, err
}

// commit says what the object is.
func (s *sending) commit(sent int64, sum []byte) {
	s.last(&storagev1.PutRequest{Part: &storagev1.PutRequest_Commit_{Commit: &storagev1.PutRequest_Commit{Bytes: sent, Sha256: sum}}})
	if s.passed && s.watcher != nil {
		s.watcher.Committed()
	}
}

// stored returns what the plugin says of an upload that was committed to.
func (s *sending) stored(sent int64) error {
	err := s.answer()
	if err == nil {
		s.took(sent) // what it has not told yet
	}
	return err
}

// abort has the plugin store nothing because of err, waits until it has heard, and
// returns err.
func (s *sending) abort(err error) error {
	s.last(&storagev1.PutRequest{Part: &storagev1.PutRequest_Abort_{Abort: &storagev1.PutRequest_Abort{}}})
	if s.answer() == nil {
		return errors.Join(err, broken("it stored an upload that was given up"))
	}
	return err
}

// last sends the last message. That it is refused is told by the answer.
func (s *sending) last(message *storagev1.PutRequest) {
	if s.socket != nil {
		s.socket.Close()
	}
	_ = s.out.Send(message)
	_ = s.out.CloseSend()
}

// answer returns what the plugin says of the upload. It is called once.
func (s *sending) answer() error { return <-s.answered }

// answer returns what the plugin says of an upload, and tells how far it is until then.
func answer(ctx context.Context, out putStream, took func(bytes int64)) error {
	stored := false
	for {
		response, err := out.Recv()
		switch {
		case err == io.EOF && stored:
			return nil
		case err == io.EOF:
			return brokenOff()
		case err != nil:
			return rpc.Fault(ctx, err)
		}
		if p := response.GetProgress(); p != nil {
			took(p.GetReadBytes())
		}
		stored = stored || response.GetReady() == nil && response.GetProgress() == nil
	}
}

// errNoSocket is that the plugin's data socket can't be reached.
var errNoSocket = errors.New("the data socket can't be reached")

// dial connects to the data socket. One that can't be reached is not tried again.
func (c *Client) dial(ctx context.Context, token []byte, file *os.File) (*net.UnixConn, error) {
	conn, err := datasocket.Dial(ctx, c.socketDir, c.socket, token, file)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	c.useSocket.Store(false)
	return nil, errors.Join(errNoSocket, err)
}
