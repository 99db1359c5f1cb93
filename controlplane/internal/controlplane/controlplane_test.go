package controlplane

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestAPortThatIsTakenNamesItsHolder(t *testing.T) {
	first, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, port, err := net.SplitHostPort(first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_, err = listen(t.Context(), "127.0.0.1", number)
	for _, part := range []string{"port " + port + " is taken by controlplane.tes", "--listen"} { // as the kernel cuts names
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.MessageOf(err), part) {
			t.Errorf("error is %v, want a conflict that says %q", err, part)
		}
	}
}

func TestAnAddressOfAnotherMachineIsNoPlaceToListen(t *testing.T) {
	_, err := listen(t.Context(), "192.0.2.1", 0)
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.MessageOf(err), "192.0.2.1") {
		t.Errorf("error is %v", err)
	}
}

// What serves ends first, so that what it did last is still stored.
func TestSupportEndsAfterServing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	p := &parts{
		serve: func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			close(served)
			return nil
		},
		support: map[string]func(context.Context) error{"store": func(ctx context.Context) error {
			<-ctx.Done()
			select {
			case <-served:
				return nil
			default:
				return errors.New("ended too early")
			}
		}},
	}
	if err := p.run(ctx); err != nil {
		t.Error(err)
	}
}

func TestAPartThatCannotGoOnEndsEverything(t *testing.T) {
	broken := errors.New("broken")
	p := &parts{
		serve: func(ctx context.Context) error { <-ctx.Done(); return nil },
		support: map[string]func(context.Context) error{
			"store": func(context.Context) error { return broken },
			"other": func(ctx context.Context) error { <-ctx.Done(); return nil },
		},
	}
	if err := p.run(t.Context()); !errors.Is(err, broken) || !strings.Contains(err.Error(), "store: ") {
		t.Errorf("error is %v", err)
	}
	failing := errors.New("no port")
	p.serve = func(context.Context) error { return failing }
	p.support["store"] = p.support["other"]
	if err := p.run(t.Context()); !errors.Is(err, failing) {
		t.Errorf("error is %v", err)
	}
}
