//go:build cgo

package source

import (
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// machine is one of the binding's, which have identities alone, with readings as
// such cards give them while they serve. The binding's own methods note each call
// with its arguments for ever; what is called again and again is answered here.
type machine struct {
	*server.Server
	cards []nvml.Device
}

func openMachine(name string) (Source, error) {
	k := kind{limit: 700_000, lowest: 200_000, sm: 1980, mem: 2619, pcie: 5, slowdown: 89}
	m := &machine{}
	switch name {
	case "dgxa100":
		m.Server, k = dgxa100.New(), kind{limit: 400_000, lowest: 100_000, sm: 1410, mem: 1593, pcie: 4, slowdown: 92}
	case "dgxh100":
		m.Server = dgxh100.New()
	default:
		m.Server, k.mem = dgxh200.New(), 3201
	}
	for i := range m.Devices {
		if d, ok := m.Devices[i].(*server.Device); ok {
			d.UUID = fmt.Sprintf("GPU-%s-0000-0000-0000-%012d", name, d.Index)
			m.cards = append(m.cards, &loaded{Device: d, kind: k, at: uint32(d.Index) * 7, begun: time.Now()})
		}
	}
	return newNVML(RecordedPrefix+name, Host{}, m, func() (string, bool) { return "", true }), nil
}

func (m *machine) DeviceGetHandleByIndex(i int) (nvml.Device, nvml.Return) {
	return m.cards[i], nvml.SUCCESS
}

func (m *machine) EventSetCreate() (nvml.EventSet, nvml.Return) {
	return &mock.EventSet{}, nvml.SUCCESS
}

func (m *machine) EventSetWait(nvml.EventSet, uint32) (nvml.EventData, nvml.Return) {
	return nvml.EventData{}, nvml.ERROR_TIMEOUT
}
