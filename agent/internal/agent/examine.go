package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/doctor"
	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/agent/internal/survey"
	"github.com/corral-fleet/corral/agent/internal/uplink"
)

// lookTimeout is how long one address of the control plane may take.
const lookTimeout = 10 * time.Second

// Examine looks at the agent and its host, and judges what it finds. It changes
// nothing, and works beside an agent that runs, whose report is nil where none does.
func (a *Agent) Examine(ctx context.Context, running *status.Report) []doctor.Check {
	joined, isMember, err := identity.Peek(a.cfg.DataDir)
	f := doctor.Findings{
		DataDir: dataDir(a.cfg.DataDir),
		Member:  doctor.Member{Joined: isMember, Name: joined.Name, ID: joined.HostID, Err: err, HasToken: a.cfg.Token.IsSet()},
		Host:    survey.Look(ctx, survey.Options{OllamaURL: a.cfg.Ollama.URL}),
		Ollama:  doctor.Ollama{Mode: a.cfg.Ollama.Mode, NumParallel: a.cfg.Ollama.Settings.NumParallel},
		Nodes:   nodes("/dev"),
	}
	f.Member.KeyErr = identity.CheckKey(a.cfg.DataDir)
	f.Member.NoKey = errors.Is(f.Member.KeyErr, fs.ErrNotExist)
	if mode, err := identity.KeyMode(a.cfg.DataDir); err == nil {
		f.Member.KeyMode = uint32(mode)
	}
	if running != nil {
		f.Agent = doctor.Agent{
			Running: true, PID: identity.HolderOf(a.cfg.DataDir), Connected: running.Connected, Server: running.Server, Problems: running.Problems,
			GPUs: running.GPUs.State, GPUMessage: running.GPUs.Message,
		}
		f.Agent.OpenFiles = openFiles(f.Agent.PID)
	}
	if bin, err := exec.LookPath(cmp.Or(a.cfg.Ollama.Bin, "ollama")); err == nil {
		f.Ollama.Bin = bin
	}
	if pid := f.Host.Ollama.PID; pid != 0 {
		f.Ollama.MemoryLimit, f.Ollama.OpenFiles = memoryLimit(pid), openFiles(pid)
	}
	f.Servers = a.look(ctx, joined)
	return doctor.Examine(&f, time.Now())
}

// look looks at each address of the control plane.
func (a *Agent) look(ctx context.Context, joined identity.Membership) []doctor.Server {
	addresses := a.servers(joined)
	link := uplink.New(uplink.Options{
		Servers: addresses, Insecure: a.cfg.Insecure, Token: a.cfg.Token.Reveal(), ServerCAFile: a.cfg.ServerCAFile,
		Identity: identity.Reading(joined), Log: a.log,
	})
	var seen []doctor.Server
	for _, address := range addresses {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		sight, err := link.Look(ctx, address)
		cancel()
		seen = append(seen, doctor.Server{URL: address.String(), Sight: sight, Err: err})
	}
	return seen
}

func dataDir(path string) doctor.DataDir {
	d := doctor.DataDir{Path: path}
	at := path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.Missing = true
		for at != filepath.Dir(at) {
			at = filepath.Dir(at)
			if _, err := os.Stat(at); err == nil {
				break
			}
		}
	}
	d.Writable = unix.Access(at, unix.W_OK|unix.X_OK)
	d.Disk, _ = survey.DiskOf(at) // nothing free where it cannot be found out
	return d
}

// nodes are the files by which NVIDIA's driver is reached.
func nodes(dev string) []doctor.Node {
	paths, _ := filepath.Glob(filepath.Join(dev, "nvidia[0-9]*")) // the pattern is good
	paths = append(paths, filepath.Join(dev, "nvidiactl"), filepath.Join(dev, "nvidia-uvm"))
	list := make([]doctor.Node, 0, len(paths))
	for _, path := range paths {
		list = append(list, doctor.Node{Path: path, Err: unix.Access(path, unix.R_OK|unix.W_OK)})
	}
	return list
}

// openFiles returns how many files a process may have open, 0 where that cannot
// be seen. What it could raise its limit to counts, as Go's programs do so.
func openFiles(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
			if fields := bytes.Fields(rest); len(fields) > 1 {
				n, err := strconv.ParseUint(string(fields[1]), 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// memoryLimit returns the least limit of a process's control groups in bytes, 0
// where there is none or none can be seen.
func memoryLimit(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return 0
	}
	_, path, ok := strings.Cut(string(text), "0::") // of version 2
	if !ok {
		return 0
	}
	path, _, _ = strings.Cut(path, "\n")
	least := uint64(0)
	for at := filepath.Join("/sys/fs/cgroup", path); strings.HasPrefix(at, "/sys/fs/cgroup/"); at = filepath.Dir(at) {
		value, err := os.ReadFile(filepath.Join(at, "memory.max"))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(value)), 10, 64); err == nil && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
