package edge

import (
	"io"
	"sync"
)

// outflow hands a response's stream to fasthttp: guarded against panics, ended
// with the request's context, and closed exactly once.
type outflow struct {
	from   io.ReadCloser
	over   func() error                   // why the answer must end now; nil while it need not
	guard  func(place string, err *error) // recovers
	failed func(error)                    // hears of a Read that failed
	ended  func()                         // called last
	late   int                            // Reads since the answer had to end
	once   sync.Once
}

// lateReads is how often a stream is still read after its answer had to end.
// It knows that by its context and may have some last words: an error in its
// dialect, which a client understands better than a connection that breaks.
const lateReads = 16

// Read implements io.Reader for fasthttp's writer.
func (o *outflow) Read(p []byte) (n int, err error) {
	defer o.guard("stream", &err)
	if err := o.over(); err != nil {
		if o.late++; o.late > lateReads {
			return 0, err
		}
	}
	n, err = o.from.Read(p)
	if err != nil && err != io.EOF {
		o.failed(err)
	}
	return n, err
}

// Close implements io.Closer. fasthttp calls it when the answer has been
// written or has failed, sometimes twice.
func (o *outflow) Close() (err error) {
	o.once.Do(func() {
		defer o.ended()
		defer o.guard("stream", &err)
		err = o.from.Close()
	})
	return err
}
