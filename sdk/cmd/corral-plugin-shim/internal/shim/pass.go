package shim

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // what codec is for all else
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// message is one of a call that is passed on, as its bytes.
type message struct{ bytes mem.BufferSlice }

// codec takes messages as they are, and those of go-plugin's own services as protobuf.
type codec struct{}

// Marshal implements [encoding.CodecV2].
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*message); ok {
		return m.bytes, nil
	}
	return encoding.GetCodecV2(codec{}.Name()).Marshal(v)
}

// Unmarshal implements [encoding.CodecV2].
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*message); ok {
		data.Ref()
		m.bytes = data
		return nil
	}
	return encoding.GetCodecV2(codec{}.Name()).Unmarshal(data, v)
}

// Name implements [encoding.CodecV2].
func (codec) Name() string { return "proto" }

// passOn passes every call on to a connection, and what comes of it back.
func passOn(to grpc.ClientConnInterface) grpc.StreamHandler {
	return func(_ any, in grpc.ServerStream) error {
		method, ok := grpc.MethodFromServerStream(in)
		if !ok {
			return fmt.Errorf("a call without a method")
		}
		ctx, cancel := context.WithCancel(in.Context())
		defer cancel()
		if md, ok := metadata.FromIncomingContext(ctx); ok {
			ctx = metadata.NewOutgoingContext(ctx, md.Copy())
		}
		out, err := to.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodecV2(codec{}))
		if err != nil {
			return err
		}
		go func() { // ends with the call, whose end fails what it waits for
			if err := copyMessages(out, in); err != io.EOF {
				cancel()
				return
			}
			_ = out.CloseSend() // how the call ends is told below
		}()
		if err := copyMessages(in, out); err != io.EOF {
			return err
		}
		return nil
	}
}

// copyMessages passes messages on until there are no more, which is io.EOF.
func copyMessages(to interface{ SendMsg(any) error }, from interface{ RecvMsg(any) error }) error {
	for {
		m := &message{}
		if err := from.RecvMsg(m); err != nil {
			return err
		}
		if err := to.SendMsg(m); err != nil {
			return err
		}
	}
}
