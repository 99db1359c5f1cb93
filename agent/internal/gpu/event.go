package gpu

import "time"

// EventSource is where an event was seen. One that is seen in both is told once.
type EventSource string

// The sources of events.
const (
	FromDriver EventSource = "nvml"
	FromLog    EventSource = "kmsg"
)

// Event is a fault that the driver reported: an Xid, or a card's falling off the
// bus without one.
type Event struct {
	At      time.Time     `json:"at"`
	Source  EventSource   `json:"source"`
	Address string        `json:"pci_address,omitempty"`
	UUID    string        `json:"uuid,omitempty"` // of the card at that address, where it is known
	Xid     Value[uint32] `json:"xid,omitzero"`
	Name    string        `json:"name,omitempty"`    // NVIDIA's short one, such as GPU_HAS_FALLEN_OFF_THE_BUS
	Meaning string        `json:"meaning,omitempty"` // in NVIDIA's words
	Action  Action        `json:"action,omitempty"`
	PID     Value[uint32] `json:"pid,omitzero"` // of the process that it hit, where the log says so
	Process string        `json:"process,omitempty"`
	Text    string        `json:"text,omitempty"` // of the kernel log, as it stands there
}

// Action is what is to be done about an event at once.
type Action string

// NVIDIA's immediate actions, as its catalogue of Xids names them.
const (
	Ignore         Action = "IGNORE"
	RestartApp     Action = "RESTART_APP"
	ResetGPU       Action = "RESET_GPU"
	RestartHost    Action = "RESTART_BM"
	RestartVM      Action = "RESTART_VM"
	CheckHardware  Action = "CHECK_MECHANICALS"
	UpdateDriver   Action = "UPDATE_SWFW"
	ContactSupport Action = "CONTACT_SUPPORT"
	FollowOther    Action = "WORKFLOW_XID_45"      // the Xid that came with it decides
	ECCWorkflow    Action = "WORKFLOW_XID_48"      // drain it, and reset it where rows or pages are to be replaced
	NVLinkWorkflow Action = "WORKFLOW_NVLINK_ERR"  // up to the fourth generation
	NVLink5Flow    Action = "WORKFLOW_NVLINK5_ERR" // of the fifth
	SeeText        Action = "XID_154"              // the text names the action
)
