package ollamaapi

import (
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// TargetField is the header field by which a caller names the host that a
// request is for; ?host=NAME is the other way. A name that a header can't hold
// is percent-encoded.
const TargetField = "Corral-Target"

// namedHost returns the name or id of the host that a request names, or "".
func namedHost(req *edge.Request) string {
	if field := req.Header(TargetField); field != "" {
		if name, err := url.PathUnescape(field); err == nil {
			return name
		}
		return field
	}
	return req.Query.Get("host")
}

// hostsFor returns the hosts that a request is for and that can be reached: the
// one that it names, or all of them.
func (a *API) hostsFor(req *edge.Request) ([]fleet.HostView, error) {
	if name := namedHost(req); name != "" {
		host, err := a.view.Find(name)
		if err != nil {
			return nil, err
		}
		if !host.State.Reachable() {
			return nil, fault.New(fault.Unavailable, "host %q is not connected", host.Name).On(fault.Host)
		}
		return []fleet.HostView{host}, nil
	}
	var hosts []fleet.HostView
	for _, h := range a.view.Hosts() {
		if h.State.Reachable() {
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// place is an instance that has a model.
type place struct {
	fleet.Target
	name   string // of the model there
	digest string
}

// placesOf returns every instance that has the model which ref means: a name, a
// name with a digest, or an id. Hosts may disagree about the digest behind a
// name: all of them have it.
func placesOf(hosts []fleet.HostView, ref string) []place {
	name, digest := fleet.SplitDigest(ref)
	name = fleet.CanonicalModel(name)
	var places []place
	for h := range hosts {
		for i := range hosts[h].Instances {
			instance := &hosts[h].Instances[i]
			for m := range instance.Models {
				have := &instance.Models[m]
				if means(ref, name, have.Name) && (digest == "" || have.Digest == digest) {
					to := fleet.Target{HostID: hosts[h].ID, Host: hosts[h].Name, Instance: instance.Name}
					places = append(places, place{Target: to, name: have.Name, digest: have.Digest})
				}
			}
		}
	}
	return places
}

// means reports whether a reference, whose canonical name is name, is that of a
// model that an instance has.
func means(ref, name, have string) bool {
	return fleet.CanonicalModel(have) == name || strings.HasPrefix(ref, fleet.ModelIDPrefix) && fleet.ModelID(have) == ref
}

// holds reports whether an instance tells of a model; digest may be "" for any.
// It is not known of an instance that tells of nothing now.
func (a *API) holds(at fleet.Target, model, digest string) (holds, known bool) {
	host, err := a.view.Find(at.HostID)
	if err != nil {
		return false, false
	}
	for i := range host.Instances {
		instance := &host.Instances[i]
		if instance.Name != at.Instance {
			continue
		}
		for m := range instance.Models {
			if have := &instance.Models[m]; fleet.SameModel(have.Name, model) && (digest == "" || have.Digest == digest) {
				return true, true
			}
		}
		return false, true
	}
	return false, false
}
