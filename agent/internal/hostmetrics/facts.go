package hostmetrics

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"

	"github.com/corral-fleet/corral/sdk/wire"
)

// machineIDPurpose is what a machine id is hashed for. The id itself is meant
// to stay on its machine; changing this text changes every host's hash.
const machineIDPurpose = "corral host machine id v1"

// Facts returns what rarely changes on a host. Name, AgentVersion and Labels
// are the caller's.
//
// What could not be read is empty, and the error joins the reasons; the rest of
// the facts is good even then.
func (s *Sampler) Facts(ctx context.Context) (wire.HostFacts, error) {
	ctx = context.WithValue(ctx, common.EnvKey, s.env)
	facts := wire.HostFacts{OS: runtime.GOOS, Arch: runtime.GOARCH}
	var errs []error
	take := func(what string, dst *string, read func() (string, error)) {
		v, err := guarded(read)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
			return
		}
		*dst = v
	}
	take("host name", &facts.Hostname, os.Hostname)
	take("kernel", &facts.Kernel, func() (string, error) { return host.KernelVersionWithContext(ctx) })
	take("platform", &facts.Platform, func() (string, error) { return platform(ctx) })
	take("machine id", &facts.MachineID, s.machineID)
	take("boot id", &facts.BootID, s.bootID)
	take("cpu model", &facts.CPUModel, func() (string, error) { return s.cpuModel(ctx) })

	var now wire.Sample
	if err := readMemory(ctx, &now.Memory); err != nil {
		errs = append(errs, fmt.Errorf("memory: %w", err))
	}
	facts.MemoryBytes = now.Memory.TotalBytes
	var cores cpuMeter
	if err := cores.read(ctx, &now.CPU); err != nil {
		errs = append(errs, fmt.Errorf("cpu: %w", err))
	}
	for _, core := range cores.latest {
		if core.known {
			facts.CPUCores++
		}
	}
	return facts, errors.Join(errs...)
}

func platform(ctx context.Context) (string, error) {
	name, _, version, err := host.PlatformInformationWithContext(ctx)
	return strings.TrimSpace(name + " " + version), err
}

// machineID hashes the machine id. gopsutil's own host id is none: it depends on the
// rights of the reader, and falls back to the boot id, which changes.
func (s *Sampler) machineID() (string, error) {
	raw, err := os.ReadFile(filepath.Join(s.etcRoot, "machine-id"))
	if err != nil {
		return "", err
	}
	id, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(id) != 16 {
		return "", errors.New("not 32 hexadecimal digits") // such as "uninitialized", in an image
	}
	mac := hmac.New(sha256.New, id)
	mac.Write([]byte(machineIDPurpose))
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

func (s *Sampler) bootID() (string, error) {
	raw, err := os.ReadFile(filepath.Join(s.procRoot, "sys/kernel/random/boot_id"))
	return strings.TrimSpace(string(raw)), err
}

// cpuModel returns the model of the first processor. gopsutil knows the names
// of ARM's models, which the kernel does not; but it reads every processor's
// description (3 MB of garbage for 256 of them), so it is asked second.
func (s *Sampler) cpuModel(ctx context.Context) (string, error) {
	f, err := os.Open(filepath.Join(s.procRoot, "cpuinfo"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	infos, err := cpu.InfoWithContext(ctx)
	if err != nil || len(infos) == 0 || infos[0].ModelName == "Undefined" {
		return "", err
	}
	return infos[0].ModelName, nil
}
