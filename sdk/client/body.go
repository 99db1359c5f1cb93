package client

import "io"

// body gives the errors of an answer that is read piece by piece their kinds.
type body struct {
	io.ReadCloser
	ctxErr func() error
	client *Client
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.client.failed(b.ctxErr(), err)
	}
	return n, err
}
