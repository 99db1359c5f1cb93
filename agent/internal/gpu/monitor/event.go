package monitor

import (
	"cmp"
	"fmt"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/wire"
)

// eventOf puts an event into words.
func eventOf(e *gpu.Event) wire.GPUEvent {
	what := cmp.Or(e.Meaning, e.Name, e.Text, "the driver reported a fault")
	if e.Xid.Known {
		what = fmt.Sprintf("Xid %d: %s", e.Xid.V, what)
	}
	return wire.GPUEvent{
		UnixMillis: e.At.UnixMilli(), UUID: e.UUID, Address: e.Address, XidKnown: e.Xid.Known, Xid: e.Xid.V,
		Name: e.Name, Message: what, Action: string(e.Action), Advice: advice(e.Action), PID: e.PID.V, Process: e.Process,
	}
}

// advice says in a sentence what is to be done.
func advice(a gpu.Action) string {
	switch a {
	case gpu.Ignore:
		return "Nothing has to be done."
	case gpu.RestartApp:
		return "Restart the program that it hit; the GPU itself is well."
	case gpu.ResetGPU:
		return "Drain the host, release its GPUs, and reset the GPU by nvidia-smi --gpu-reset."
	case gpu.RestartHost:
		return "Drain the host and restart it."
	case gpu.RestartVM:
		return "Drain the host and restart the virtual machine."
	case gpu.CheckHardware:
		return "Check the card's seat, its power cables and its cooling."
	case gpu.NVLinkWorkflow, gpu.NVLink5Flow:
		return "Follow NVIDIA's steps for errors of NVLink; a card or a bridge may have to be replaced."
	case gpu.ECCWorkflow:
		return "Drain the host, release its GPUs, and reset the GPU; if it comes back, the card has to be replaced."
	case gpu.FollowOther:
		return "It follows from another event of the same time: do what that one says."
	case gpu.SeeText:
		return "The driver's own words say what is to be done."
	case gpu.UpdateDriver:
		return "Update the driver or the firmware."
	case gpu.ContactSupport:
		return "Ask the vendor of the card or the machine for support."
	}
	return ""
}
