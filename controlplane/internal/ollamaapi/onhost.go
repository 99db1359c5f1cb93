package ollamaapi

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
)

// onHost returns a route of Ollama that brings something to one host, or takes
// it from there. Bodies go through piece by piece, however long they are; a
// caller that leaves ends the work, as it does with an Ollama.
func (a *API) onHost(method, path string) edge.Route {
	return edge.Route{
		Method: method, Path: path, Permission: edge.Operate, Dialect: edge.Ollama,
		Streaming: true, MaxBodyBytes: -1, Watch: true,
		Handler: func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
			to, err := a.instanceFor(req)
			if err != nil {
				return nil, err
			}
			e := relay.Endpoint{
				Path:    strings.Replace(path, "{digest}", url.PathEscape(req.Param("digest")), 1),
				Dialect: edge.Ollama, Ending: relay.ProgressEnding,
			}
			return a.relay.Direct(ctx, e, a.calls, to, req)
		},
	}
}

// instanceFor returns the instance that a request for one host goes to: on the
// host that it names or, where there is no other, on the only one.
func (a *API) instanceFor(req *edge.Request) (fleet.Target, error) {
	hosts, err := a.hostsFor(req)
	switch {
	case err != nil:
		return fleet.Target{}, err
	case len(hosts) == 0:
		return fleet.Target{}, fault.New(fault.Unavailable, "no host is connected").On(fault.Host)
	case len(hosts) > 1:
		return fleet.Target{}, fault.New(fault.Invalid, "this is done on one host, and %d are connected: name one by ?host=NAME or by the header field %s, such as %s",
			len(hosts), TargetField, strconv.Quote(hosts[0].Name)).On(fault.Caller)
	}
	host := &hosts[0]
	for i := range host.Instances {
		if instance := &host.Instances[i]; instance.Serves() {
			return fleet.Target{HostID: host.ID, Host: host.Name, Instance: instance.Name}, nil
		}
	}
	return fleet.Target{}, fault.New(fault.Unavailable, "no Ollama on host %q serves now", host.Name).On(fault.Ollama)
}
