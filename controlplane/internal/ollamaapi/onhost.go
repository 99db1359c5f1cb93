package ollamaapi

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxRequestBytes is how long a body may be that is no file.
const maxRequestBytes = 16 << 20

// forFleet answers a request that names none of several hosts.
type forFleet func(ctx context.Context, req *edge.Request, hosts []fleet.HostView) (*edge.Response, error)

// onHost returns a route of Ollama that brings something to hosts, or takes it from
// there. Where one host is named, or the fleet has no other, the request goes to it: bodies
// piece by piece, however long they are, and a caller that leaves ends the work, as with
// an Ollama. Else the fleet answers it, also while all hosts but one are away: what a
// request does must not depend on that, and of the several that make a model each has to
// go the same way.
func (a *API) onHost(method, path string, answer forFleet) edge.Route {
	return edge.Route{
		Method: method, Path: path, Permission: edge.Operate, Dialect: edge.Ollama,
		Streaming: true, MaxBodyBytes: -1, Watch: true,
		Handler: func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
			hosts, err := a.hostsFor(req)
			switch {
			case err != nil:
				return nil, err
			case len(hosts) == 0:
				return nil, fault.New(fault.Unavailable, "no host is connected").On(fault.Host)
			case namedHost(req) == "" && len(a.view.Hosts()) > 1:
				return answer(ctx, req, hosts)
			}
			to, err := instanceOn(&hosts[0])
			if err != nil {
				return nil, err
			}
			return a.direct(ctx, strings.Replace(path, "{digest}", url.PathEscape(req.Param("digest")), 1), to, req)
		},
	}
}

// direct passes a request on to one instance.
func (a *API) direct(ctx context.Context, path string, to fleet.Target, req *edge.Request) (*edge.Response, error) {
	e := relay.Endpoint{Path: path, Dialect: edge.Ollama, Ending: relay.ProgressEnding}
	return a.relay.Direct(ctx, e, a.calls, to, req)
}

// instanceOn returns the first instance of a host that serves.
func instanceOn(host *fleet.HostView) (fleet.Target, error) {
	for i := range host.Instances {
		if instance := &host.Instances[i]; instance.Serves() {
			return fleet.Target{HostID: host.ID, Host: host.Name, Instance: instance.Name}, nil
		}
	}
	return fleet.Target{}, fault.New(fault.Unavailable, "no Ollama on host %q serves now", host.Name).On(fault.Ollama)
}

// bodyOf reads the body of a request that is no file.
func bodyOf(req *edge.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(req.Stream, maxRequestBytes+1))
	if err == nil && len(body) > maxRequestBytes {
		err = fault.New(fault.TooLarge, "the body is larger than the %d bytes that are taken here", maxRequestBytes).On(fault.Caller)
	}
	return body, err
}

// again returns a request whose body has been read as one whose body is yet to be read.
func again(req *edge.Request, body []byte) *edge.Request {
	r := *req
	r.Stream, r.ContentLength = bytes.NewReader(body), int64(len(body))
	return &r
}
