//go:build cgo

package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// card is one GPU, with what was read of it last.
type card struct {
	source *nvmlSource
	handle nvml.Device
	device gpu.Device
	seen   bool // when it was looked for cards last

	lost       nvml.Return // by which it was lost in the reading at hand, or SUCCESS
	answered   bool        // in the reading at hand
	lastError  nvml.Return
	absent     map[string]gpu.Absence // by the field, or by the part of one
	changed    bool                   // absent is not as the device says
	used       uint64                 // bytes of memory when the processes were read last
	fields     batch
	registered bool // its faults are reported
}

func newCard(s *nvmlSource, uuid string) *card {
	return &card{
		source: s, device: gpu.Device{UUID: uuid}, absent: map[string]gpu.Absence{},
		fields: batch{fields: fields()},
	}
}

// meet is called with the handle that the card has now.
func (c *card) meet(handle nvml.Device) {
	if c.handle != handle || c.gone() {
		c.registered = false
		c.forget()
	}
	c.handle, c.lost = handle, nvml.SUCCESS
	if c.gone() {
		c.device.Health = gpu.Unread
	}
}

// gone reports whether it was not to be read when it was looked at last.
func (c *card) gone() bool {
	switch c.device.Health {
	case gpu.Lost, gpu.ResetRequired, gpu.Erring, gpu.Suspended, gpu.Undriven:
		return true
	}
	return false
}

// forget forgets what the card did not support, which may be otherwise now.
func (c *card) forget() {
	clear(c.absent)
	c.changed = true
}

// lose forgets what changes, and keeps what the card was.
func (c *card) lose(health gpu.Health, why string) {
	d := &c.device
	*d = gpu.Device{
		UUID: d.UUID, Index: d.Index, Name: nameOr(d.Name), Address: d.Address, Serial: d.Serial, VBIOS: d.VBIOS,
		Architecture: d.Architecture, ComputeCapability: d.ComputeCapability, Health: health, Message: why,
		Fans: d.Fans[:0], Processes: d.Processes[:0], Parts: d.Parts[:0], Absent: d.Absent[:0],
	}
	c.changed = true
}

func (c *card) read(slow bool) {
	if !c.seen || c.gone() {
		return
	}
	if p := c.source.bus.at(c.device.Address); p != nil && p.asleep() {
		c.lose(gpu.Suspended, sleeps)
		return
	}
	c.lost, c.answered = nvml.SUCCESS, false
	c.readOften()
	if slow || c.device.Health == gpu.Unread {
		c.readSeldom()
	} else if c.memoryMoved() {
		c.readProcesses()
	}
	switch {
	case c.lost != nvml.SUCCESS:
		c.lose(lossOf(c.lost))
	case !c.answered && c.lastError != nvml.SUCCESS:
		c.lose(lossOf(c.lastError))
	default:
		c.device.Health, c.device.Message = health(&c.device)
		c.tellAbsent()
	}
}

// health judges a card that answers.
func health(d *gpu.Device) (gpu.Health, string) {
	switch {
	case d.RecoveryAction.Known && d.RecoveryAction.V != 0:
		return gpu.Degraded, recovery(d.RecoveryAction.V)
	case d.RowRemapFailed.V:
		return gpu.Degraded, "rows of its memory are broken, and there are none left to replace them"
	case d.RowRemapPending.V:
		return gpu.Degraded, "rows of its memory are broken, and are replaced when it is reset"
	}
	return gpu.Healthy, ""
}

// recovery is what the driver asks for, in words.
func recovery(action uint64) string {
	switch nvml.DeviceGpuRecoveryAction(action) {
	case nvml.GPU_RECOVERY_ACTION_GPU_RESET:
		return "the driver asks for a reset"
	case nvml.GPU_RECOVERY_ACTION_BUS_RESET:
		return "the driver asks for a reset of its bus"
	case nvml.GPU_RECOVERY_ACTION_NODE_REBOOT, nvml.GPU_RECOVERY_ACTION_SYSTEM_REBOOT:
		return "the driver asks for a restart of the host"
	case nvml.GPU_RECOVERY_ACTION_DRAIN_P2P:
		return "the driver asks for an end of what its peers do with it"
	case nvml.GPU_RECOVERY_ACTION_DRAIN_AND_RESET:
		return "the driver asks to let its work end and to reset it"
	}
	return fmt.Sprintf("the driver asks for recovery action %d", action)
}

// ask calls a function for a field, unless this card has said that it does not
// support that. Functions that are called with different arguments are for
// different fields. Names with a hash are of parts of a field.
func ask[T any](c *card, field string, call func() (T, nvml.Return)) (v gpu.Value[T]) {
	if !c.supports(field) {
		return v
	}
	got, ret := call()
	if c.note(field, ret) {
		return gpu.Of(got)
	}
	return v
}

// supports reports whether it makes sense to ask for a field.
func (c *card) supports(field string) bool {
	reason := c.absent[field].Reason
	return c.lost == nvml.SUCCESS && c.source.broken == nvml.SUCCESS && reason != gpu.Unsupported && reason != gpu.NoFunction
}

// note notes how a question for a field was answered, and reports whether it was.
func (c *card) note(field string, ret nvml.Return) bool {
	reason := gpu.CallFailed
	switch ret {
	case nvml.SUCCESS:
		c.answered = true
		if _, was := c.absent[field]; was {
			delete(c.absent, field)
			c.changed = true
		}
		return true
	case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED:
		c.lost = ret
		return false
	case nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		c.source.fail(ret)
		return false
	case nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_ARGUMENT_VERSION_MISMATCH, nvml.ERROR_DEPRECATED:
		reason, c.answered = gpu.Unsupported, true
	case nvml.ERROR_FUNCTION_NOT_FOUND:
		reason = gpu.NoFunction
	case nvml.ERROR_NO_PERMISSION:
		reason = gpu.NoPermission
	}
	c.lastError = ret
	if a := (gpu.Absence{Field: field, Reason: reason, Code: uint32(ret)}); c.absent[field] != a {
		c.absent[field] = a
		c.changed = true
	}
	return false
}

// alike notes that a field is absent where another is, of which it is a part.
func (c *card) alike(field, other string) {
	a, absent := c.absent[other]
	if !absent {
		if _, was := c.absent[field]; was {
			delete(c.absent, field)
			c.changed = true
		}
		return
	}
	a.Field = field
	if c.absent[field] != a {
		c.absent[field] = a
		c.changed = true
	}
}

// tellAbsent writes down which fields are absent, if that changed.
func (c *card) tellAbsent() {
	if !c.changed {
		return
	}
	c.changed = false
	list := c.device.Absent[:0]
	for field, a := range c.absent {
		if !strings.HasPrefix(field, "#") {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b gpu.Absence) int { return cmp.Compare(a.Field, b.Field) })
	c.device.Absent = list
}

// nameOr returns a name for a card that has none.
func nameOr(name string) string { return cmp.Or(name, "NVIDIA GPU") }
