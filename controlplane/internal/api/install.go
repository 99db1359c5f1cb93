package api

import (
	"context"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/trust"
)

// maxPluginBytes is how large a plugin's program may be.
const maxPluginBytes = 512 << 20

// installPlugin takes a plugin's program, whose sha256 has to be told. It is not run
// before it is approved.
func (a *API) installPlugin(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	sum, err := digestOf(r.Query.Get("sha256"))
	if err != nil {
		return nil, err
	}
	if err := a.Installer.Install(ctx, r.Stream, sum); err != nil {
		return nil, err
	}
	a.Log.Info("plugin installed", "sha256", sum, "caller", r.Caller.ID)
	return edge.JSON(201, map[string]string{"sha256": sum})
}

// approvePlugin lets an installed program be run, as the one of its plugin.
func (a *API) approvePlugin(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	sum, err := digestOf(r.Param("sha256"))
	if err != nil {
		return nil, err
	}
	e, err := a.Installer.Approve(ctx, sum)
	if err != nil {
		return nil, err
	}
	a.Log.Info("plugin approved", "plugin", e.String(), "sha256", sum, "caller", r.Caller.ID)
	return edge.JSON(200, approved{Kind: e.Kind, Name: e.Name, Version: e.Version, Publisher: e.Publisher, SHA256: e.SHA256[trust.Platform]})
}

// approved is a program that may be run.
type approved struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Publisher string `json:"publisher"`
	SHA256    string `json:"sha256"`
}

// uninstallPlugin takes back the approval of a program, and removes it.
func (a *API) uninstallPlugin(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	sum, err := digestOf(r.Param("sha256"))
	if err != nil {
		return nil, err
	}
	if err := a.Installer.Remove(ctx, sum); err != nil {
		return nil, err
	}
	a.Log.Info("plugin removed", "sha256", sum, "caller", r.Caller.ID)
	return &edge.Response{Status: 204}, nil
}

func digestOf(text string) (string, error) {
	if !isDigest(text) {
		return "", fault.New(fault.Invalid, "the parameter %q has to be 64 hexadecimal digits", "sha256").On(fault.Caller)
	}
	return strings.ToLower(text), nil
}
