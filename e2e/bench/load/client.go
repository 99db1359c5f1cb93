package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// Timing is what one complete answer took, from before its request was written.
type Timing struct {
	FirstToken time.Duration // to its first whole line
	Whole      time.Duration // to its end
	Lines      int           // of its body
}

// Client sends one request again and again over one connection. It is for one
// goroutine.
type Client struct {
	conn    net.Conn
	unhook  func() bool // parts conn from the context that it was dialled with
	request []byte
	timeout time.Duration
	answer  answer
	buf     []byte
}

// Dial connects a client. An answer that takes longer than timeout is an
// error; when ctx ends, an answer that is under way fails.
func Dial(ctx context.Context, r Request, timeout time.Duration) (*Client, error) {
	address, wire, err := r.render()
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return &Client{
		conn:    conn,
		unhook:  context.AfterFunc(ctx, func() { conn.Close() }),
		request: wire,
		timeout: timeout,
		answer:  answer{part: make([]byte, 0, 1024)},
		buf:     make([]byte, 16<<10),
	}, nil
}

// Chat sends the request once and reads the answer to its end. An error means
// that the answer does not count; the client is then of no more use.
func (c *Client) Chat() (Timing, error) {
	var t Timing
	c.answer.reset()
	start := time.Now()
	if err := c.conn.SetDeadline(start.Add(c.timeout)); err != nil {
		return t, fmt.Errorf("load: %w", err)
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return t, fmt.Errorf("load: send the request: %w", err)
	}
	for c.answer.state != atEnd {
		n, err := c.conn.Read(c.buf)
		if ferr := c.answer.feed(c.buf[:n]); ferr != nil {
			return t, fmt.Errorf("load: %w", ferr)
		}
		if t.FirstToken == 0 && c.answer.body.count > 0 {
			t.FirstToken = time.Since(start)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return t, fmt.Errorf("load: read the answer: %w", err)
		}
	}
	t.Whole, t.Lines = time.Since(start), c.answer.body.count
	if err := c.answer.verdict(); err != nil {
		return t, fmt.Errorf("load: %w", err)
	}
	return t, nil
}

// Stream does what [Client.Chat] does and has each line of the answer heard as
// soon as it has come. A line is valid until heard returns; its error breaks the
// answer off.
func (c *Client) Stream(heard func(line []byte) error) (Timing, error) {
	c.answer.body.heard = heard
	defer func() { c.answer.body.heard = nil }()
	return c.Chat()
}

// Spent tells that the server closes the connection after the last answer, so
// that the next one needs a new client.
func (c *Client) Spent() bool { return c.answer.state == atEnd && c.answer.head.closes }

// Close closes the connection.
func (c *Client) Close() error {
	if !c.unhook() {
		return nil // the context has closed it
	}
	return c.conn.Close()
}
