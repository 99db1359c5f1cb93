package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// unbuiltRoutes are those whose names are fixed and which do nothing yet. They
// are there so that a client learns that, and not that it got the path wrong.
func unbuiltRoutes() []edge.Route {
	const alerts = "alerts"
	var routes []edge.Route
	for _, r := range []struct {
		may          edge.Permission
		method, path string
		what         string
	}{
		{edge.Read, "GET", "/api/alerts", alerts},
		{edge.Operate, "POST", "/api/alerts", alerts},
		{edge.Read, "GET", "/api/alerts/{path...}", alerts},
		{edge.Operate, "POST", "/api/alerts/{path...}", alerts},
	} {
		routes = append(routes, edge.Route{
			Method: r.method, Path: r.path, Permission: r.may,
			Streaming: true, MaxBodyBytes: -1, // nothing is read of the body
			BodyTypes: []string{"application/offset+octet-stream", "application/octet-stream"},
			Handler: func(context.Context, *edge.Request) (*edge.Response, error) {
				return nil, notBuilt(r.what)
			},
		})
	}
	return routes
}

func notBuilt(what string) error {
	return fault.New(fault.NotImplemented, "this is not built yet: %s", what)
}
