package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/models/jobs"
	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/peers"
	"github.com/corral-fleet/corral/sdk/fault"
)

// workerProgram is what does the work on models.
const workerProgram = "corral-modelworker"

// modelJobs returns what starts workers for the instance that is supervised. A worker
// looks for the control plane first where the agent found it, which inUse tells.
func (a *Agent) modelJobs(id *identity.Identity, supervisor *ollama.Supervisor, inUse func() string) *jobs.Runner {
	return jobs.New(jobs.Options{
		Program: cmp.Or(a.cfg.ModelWorker, beside(workerProgram)), Environ: os.Environ(), Log: a.log.Named("models"),
		Host: func(string) (order.Host, error) {
			hostPort, ok := supervisor.Endpoint()
			if !ok {
				return order.Host{}, fault.New(fault.Unavailable, "Ollama on this host does not serve").On(fault.Ollama)
			}
			joined := id.Membership()
			models, ours := supervisor.ModelsDir()
			pass, err := peers.NewPass(id.PrivateKey(), time.Now())
			if err != nil {
				return order.Host{}, err
			}
			return order.Host{
				ID: joined.HostID, Ollama: "http://" + hostPort, ModelsDir: models, Ours: ours,
				DataDir: a.cfg.DataDir,
				Servers: a.serversFrom(joined, inUse()), Authorities: joined.CACertificates,
				AuthoritiesFile: a.cfg.ServerCAFile, Insecure: a.cfg.Insecure,
				PassCertificate: pass.Certificate, PassKey: pass.Key,
			}, nil
		},
	})
}

// serversFrom returns the addresses of the control plane, the one in use first.
func (a *Agent) serversFrom(joined identity.Membership, inUse string) []string {
	var list []string
	for _, u := range a.servers(joined) {
		list = append(list, u.String())
	}
	if at := slices.Index(list, inUse); at > 0 {
		list = slices.Insert(slices.Delete(list, at, at+1), 0, inUse)
	}
	return list
}

// beside returns the path of a program in the folder of the agent's own.
func beside(program string) string {
	self, err := os.Executable()
	if err != nil {
		return program
	}
	return filepath.Join(filepath.Dir(self), program)
}
