package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/bench/storm"
	"github.com/corral-fleet/corral/e2e/corraltest"
)

func TestOptions(t *testing.T) {
	got, err := parseOptions([]string{"-server", "http://127.0.0.1:1", "-token", "t", "-hosts", "3", "-gpus", "2", "-models", "1"}, io.Discard)
	if diff := cmp.Diff(storm.Options{Address: "127.0.0.1:1", Token: "t", Hosts: 3, GPUsPerHost: 2, Models: 1}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, args := range [][]string{
		{},
		{"-token", "t", "more"},
		{"-token", "t", "-server", "https://127.0.0.1:1"},
		{"-token", "t", "-server", "http://127.0.0.1"},
		{"-token", "t", "-server", ":"},
		{"-token", "t", "-hosts", "many"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// lines takes what a program prints.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestTheFleetIsThereUntilItIsInterrupted(t *testing.T) {
	controlplane := corraltest.New(t).ControlPlane()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	printed, ended := make(lines, 1), make(chan error, 1)
	args := []string{"-server", controlplane.URL(), "-token", controlplane.Token("--uses", "3"), "-hosts", "3", "-gpus", "2"}
	go func() { ended <- run(ctx, args, printed, io.Discard) }()
	select {
	case line := <-printed:
		if line != "3 hosts with 2 GPUs each are connected\n" {
			t.Errorf("it prints %q", line)
		}
	case err := <-ended:
		t.Fatalf("it ended with %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the hosts are not connected")
	}
	hosts, err := controlplane.API().Hosts(t.Context())
	if err != nil || len(hosts) != 3 {
		t.Errorf("%d hosts, %v", len(hosts), err)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
	if err := run(t.Context(), append(args, "-token", "crt_wrong"), printed, io.Discard); err == nil {
		t.Error("a token that is not good is taken")
	}
}
