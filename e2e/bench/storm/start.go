package storm

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// connectLimit is how long a whole fleet may take to connect.
const connectLimit = time.Minute

// Start connects a simulated fleet and returns, once all of it is connected,
// what ends it.
func Start(ctx context.Context, o Options) (stop func() error, err error) {
	fleet, err := Simulate(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	stop = func() error {
		cancel()
		return <-ended
	}
	select {
	case <-fleet.Complete():
		return stop, nil
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("storm: the fleet ended: %w", err)
	case <-time.After(connectLimit):
		return nil, errors.Join(fmt.Errorf("storm: only %d of %d hosts connected within %v", fleet.Connected(), o.Hosts, connectLimit), stop())
	}
}
