// Package xid knows the faults that NVIDIA's driver reports: what their numbers
// mean, and how they stand in the kernel log.
package xid

import "github.com/corral-fleet/corral/agent/internal/gpu"

// Fault is what NVIDIA's catalogue says of an Xid.
type Fault struct {
	Name    string
	Meaning string
	Action  gpu.Action
}

// Lookup returns what is known of an Xid. The catalogue is NVIDIA's, "Analyzing
// Xid Errors", without those that it calls unused.
func Lookup(code uint32) (Fault, bool) {
	f, known := catalogue()[code]
	return f, known
}

func catalogue() map[uint32]Fault {
	return map[uint32]Fault{
		8:   {"FIFO_ERROR_IDLE_TIMEOUT", "GPU stopped processing", gpu.RestartApp},
		11:  {"GR_ERROR_MISSING_HW", "Invalid or corrupted push buffer stream", gpu.RestartApp},
		13:  {"GR_EXCEPTION", "Graphics engine exception", gpu.RestartApp},
		25:  {"GR_ILLEGAL_NOTIFY", "Invalid or illegal push buffer stream", gpu.RestartApp},
		31:  {"FIFO_ERROR_MMU_ERR_FLT", "GPU memory page fault", gpu.RestartApp},
		32:  {"PBDMA_ERROR", "Invalid or corrupted push buffer stream", gpu.RestartApp},
		37:  {"FECS_ERR_UNIMP_FIRMWARE_METHOD", "Driver firmware error", gpu.Ignore},
		38:  {"FECS_ERR_WATCHDOG_TIMEOUT", "Driver firmware error", gpu.Ignore},
		39:  {"CE0_ERROR", "Copy engine exception", gpu.RestartApp},
		40:  {"CE1_ERROR", "Copy engine exception", gpu.RestartApp},
		41:  {"CE2_ERROR", "Copy engine exception", gpu.RestartApp},
		43:  {"RESETCHANNEL_VERIF_ERROR", "GPU stopped processing", gpu.Ignore},
		44:  {"GR_FAULT_DURING_CTXSW", "Graphics engine fault during context switch", gpu.Ignore},
		45:  {"PREEMPTIVE_REMOVAL", "Preemptive cleanup, due to previous errors", gpu.FollowOther},
		46:  {"GPU_TIMEOUT_ERROR", "GPU stopped processing", gpu.ResetGPU},
		48:  {"GPU_ECC_DBE", "Double bit ECC error", gpu.ECCWorkflow},
		54:  {"PWR_REDUCED_CLOCKING", "Auxiliary power is not connected to the GPU board", gpu.CheckHardware},
		60:  {"SEC2_ERROR", "Video processor exception", gpu.RestartApp},
		62:  {"PMU_HALT_ERROR", "Internal micro-controller halt", gpu.ResetGPU},
		63:  {"INFOROM_DRAM_RETIREMENT_EVENT", "GPU memory remapping event", gpu.Ignore},
		64:  {"INFOROM_DRAM_RETIREMENT_FAILURE", "GPU memory remapping failure", gpu.ResetGPU},
		66:  {"FECS_ERR_REG_ACCESS_VIOLATION", "Illegal access by driver", gpu.Ignore},
		67:  {"FECS_ERR_VERIF_VIOLATION", "Illegal access by driver", gpu.Ignore},
		68:  {"NVDEC0_ERROR", "Video decoder exception", gpu.RestartApp},
		69:  {"GR_CLASS_ERROR", "Graphics engine class error", gpu.RestartApp},
		74:  {"NVLINK_ERROR", "NVLink error", gpu.NVLinkWorkflow},
		78:  {"VGPU_START_ERROR", "vGPU start error", gpu.UpdateDriver},
		79:  {"GPU_HAS_FALLEN_OFF_THE_BUS", "GPU has fallen off the bus", gpu.RestartHost},
		80:  {"PBDMA_PUSHBUFFER_CRC_MISMATCH", "Corrupted data sent to GPU", gpu.RestartApp},
		92:  {"EXCESSIVE_SBE_INTERRUPTS", "High single-bit ECC error rate", gpu.Ignore},
		93:  {"INFOROM_ERASE_LIMIT_EXCEEDED", "Non-fatal violation of provisioned InfoROM wear limit", gpu.Ignore},
		94:  {"CONTAINED_ERROR", "Contained memory error", gpu.RestartApp},
		95:  {"UNCONTAINED_ERROR", "Uncontained memory error", gpu.ResetGPU},
		109: {"CTXSW_TIMEOUT_ERROR", "Context switch timeout", gpu.ResetGPU},
		110: {"SEC_FAULT_ERROR", "Security fault", gpu.ResetGPU},
		119: {"GSP_RPC_TIMEOUT", "GSP RPC timeout", gpu.ResetGPU},
		120: {"GSP_ERROR", "GSP error", gpu.ResetGPU},
		121: {"C2C_ERROR", "C2C link error", gpu.Ignore},
		136: {"ALI_TRAINING_FAIL", "Link training failed", gpu.ResetGPU},
		137: {"NVLINK_PRIV_ERR", "NVLink privilege error", gpu.Ignore},
		140: {"UNRECOVERABLE_ECC_ERROR_ESCAPE", "Unrecovered ECC error", gpu.ResetGPU},
		143: {"GPU_INIT_ERROR", "GPU initialization error", gpu.ResetGPU},
		144: {"NVLINK_SAW_ERROR", "NVLink: SAW error", gpu.NVLink5Flow},
		145: {"NVLINK_RLW_ERROR", "NVLink: RLW error", gpu.NVLink5Flow},
		146: {"NVLINK_TLW_ERROR", "NVLink: TLW error", gpu.NVLink5Flow},
		147: {"NVLINK_TREX_ERROR", "NVLink: TREX error", gpu.NVLink5Flow},
		148: {"NVLINK_NVLPW_CTRL_ERROR", "NVLink: NVLPW_CTRL error", gpu.NVLink5Flow},
		149: {"NVLINK_NETIR_ERROR", "NVLink: NETIR error", gpu.NVLink5Flow},
		150: {"NVLINK_MSE_ERROR", "NVLink: MSE error", gpu.NVLink5Flow},
		151: {"KEY_ROTATION_ERROR", "Key rotation error", gpu.RestartVM},
		154: {"GPU_RECOVERY_ACTION_CHANGED", "GPU recovery action changed", gpu.SeeText},
		155: {"NVLINK_SW_DEFINED_ERROR", "NVLink: software defined error", gpu.ResetGPU},
		156: {"RESOURCE_RETIREMENT_EVENT", "Resource retirement event", gpu.ResetGPU},
		157: {"RESOURCE_RETIREMENT_FAILURE", "Resource retirement failure", gpu.Ignore},
		158: {"GPU_FATAL_TIMEOUT", "GPU fatal timeout", gpu.ResetGPU},
	}
}

// fellOff is the Xid of a card that fell off the bus, which the driver does not
// always give where it says so in words.
const fellOff = 79

// Describe fills in what the catalogue says of an event.
func Describe(e *gpu.Event) {
	code := e.Xid.V
	if !e.Xid.Known {
		code = fellOff
	}
	f, _ := Lookup(code)
	e.Name, e.Meaning, e.Action = f.Name, f.Meaning, f.Action
}
