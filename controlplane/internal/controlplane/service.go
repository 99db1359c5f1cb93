package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/sdnotify"
)

// aliveTimeout is how long the server may take to answer itself.
const aliveTimeout = 10 * time.Second

// tellService tells systemd how the server is that listens at an address, from
// now until what it returns is called. The server is alive as long as a request
// to its own port is answered, whatever the answer is: that takes its listener,
// its routes and its registry, and neither a disk nor any agent.
func tellService(ctx context.Context, service sdnotify.Service, at net.Addr, registry *fleet.Registry) (end func()) {
	telling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       aliveTimeout,
	}
	url := "http://" + reachable(at) + "/healthz"
	var working sync.WaitGroup
	working.Go(func() {
		_ = service.Run(telling, ctx.Done(), func(asking context.Context) sdnotify.Beat { // it has no error of its own
			hosts, online := registry.Hosts(), 0
			for i := range hosts {
				if hosts[i].State == fleet.HostOnline {
					online++
				}
			}
			return sdnotify.Beat{
				Alive:  ctx.Err() != nil || answers(asking, client, url), // it does not listen while it ends
				Status: fmt.Sprintf("listening at %s; %d of %d hosts are online", at, online, len(hosts)),
			}
		})
	})
	return func() {
		cancel()
		working.Wait()
	}
}

// reachable is where a listener on this machine is reached from it.
func reachable(at net.Addr) string {
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return at.String()
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil
}
