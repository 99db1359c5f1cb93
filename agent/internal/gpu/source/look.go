//go:build cgo

package source

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// look looks for cards. A card is its UUID: which place it has may change.
func (s *nvmlSource) look(count int) {
	s.count = count
	for _, c := range s.cards {
		c.seen = false
	}
	var silent []gpu.Device // places whose card is not known
	if s.bus.asleep() > 0 {
		s.lookAwake()
	} else {
		for place := range count {
			handle, ret := s.lib.DeviceGetHandleByIndex(place)
			if d, ok := s.meet(handle, ret, gpu.Of(uint32(place))); !ok {
				silent = append(silent, d)
			}
		}
	}
	for _, c := range s.cards {
		if !c.seen && c.device.Health != gpu.Suspended {
			c.lose(gpu.Lost, "the driver does not list it any more")
		}
	}
	s.strays = s.strayed(silent)
}

// lookAwake looks for the cards that are awake by their addresses: to be asked
// for its place would wake a card up.
func (s *nvmlSource) lookAwake() {
	for i := range s.bus.cards {
		p := &s.bus.cards[i]
		if p.asleep() {
			if c := s.cardAt(p.address); c != nil {
				c.seen = true
				c.lose(gpu.Suspended, sleeps)
			}
			continue
		}
		handle, ret := s.lib.DeviceGetHandleByPciBusId(p.address)
		if ret != nvml.SUCCESS {
			continue // it is shown as one that the driver does not list
		}
		place := gpu.Value[uint32]{}
		if n, ret := handle.GetIndex(); ret == nvml.SUCCESS {
			place = gpu.Of(uint32(n))
		}
		s.meet(handle, ret, place)
	}
}

const sleeps = "it is turned off to save power, and is read when something turns it on"

// meet finds out which card has a place. Where that is not known it returns what
// is.
func (s *nvmlSource) meet(handle nvml.Device, ret nvml.Return, place gpu.Value[uint32]) (gpu.Device, bool) {
	uuid := ""
	if ret == nvml.SUCCESS {
		uuid, ret = handle.GetUUID()
	}
	if ret == nvml.SUCCESS {
		c := s.card(uuid)
		c.seen, c.device.Index = true, place
		c.meet(handle)
		return c.device, true
	}
	health, message := lossOf(ret)
	for _, c := range s.cards {
		if !c.seen && place.Known && c.device.Index == place {
			c.seen = true
			c.lose(health, message)
			return c.device, true
		}
	}
	return gpu.Device{UUID: fmt.Sprintf("UNKNOWN-%d", place.V), Index: place, Name: nameOr(""), Health: health, Message: message}, false
}

func (s *nvmlSource) card(uuid string) *card {
	for _, c := range s.cards {
		if c.device.UUID == uuid {
			return c
		}
	}
	c := newCard(s, uuid)
	s.cards = append(s.cards, c)
	return c
}

func (s *nvmlSource) cardAt(address string) *card {
	for _, c := range s.cards {
		if c.device.Address == address {
			return c
		}
	}
	return nil
}

// strayed are the cards of which no more is known than that they are there: by
// the bus, by the driver, or both. Both list them in one order, so that the
// places without a card are the addresses without one, where there are as many.
func (s *nvmlSource) strayed(silent []gpu.Device) []gpu.Device {
	strays := s.strays[:0]
	for _, c := range s.cards {
		if c.device.Address == "" && !c.gone() {
			c.readAddress()
		}
		if c.device.Address == "" {
			return append(strays, silent...) // any card of the bus may be this one
		}
	}
	for i := range s.bus.cards {
		if p := &s.bus.cards[i]; s.cardAt(p.address) == nil {
			strays = append(strays, undriven(p, "the driver does not list it"))
		}
	}
	if len(strays) == len(silent) {
		for i := range strays {
			strays[i].Index, strays[i].Health, strays[i].Message = silent[i].Index, silent[i].Health, silent[i].Message
		}
		return strays
	}
	return append(strays, silent...)
}

// undriven is a card that only the bus tells of.
func undriven(p *pciCard, why string) gpu.Device {
	if p.driver != "" && p.driver != "nvidia" {
		why = "it is bound to " + p.driver + " and not to NVIDIA's driver"
	}
	d := gpu.Device{UUID: "PCI-" + p.address, Name: nameOr("") + " " + p.device, Address: p.address, Health: gpu.Undriven, Message: why}
	if p.asleep() {
		d.Health, d.Message = gpu.Suspended, sleeps
	}
	return d
}

// lossOf says why a card does not answer.
func lossOf(ret nvml.Return) (gpu.Health, string) {
	switch ret {
	case nvml.ERROR_GPU_IS_LOST:
		return gpu.Lost, "it fell off the bus; restart the host"
	case nvml.ERROR_RESET_REQUIRED:
		return gpu.ResetRequired, "it has to be reset before it can be used again"
	case nvml.ERROR_NO_PERMISSION:
		return gpu.Erring, "the probe may not use its device"
	}
	return gpu.Erring, fmt.Sprintf("the driver answers for it with error %d", int32(ret))
}
