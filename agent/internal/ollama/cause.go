package ollama

// Cause is a stable word for why an instance was restarted. It is also the
// reason that an instance gives when that is not done any more.
type Cause string

// The causes of a restart.
const (
	CauseExited       Cause = "exited"             // `ollama serve` ended by itself
	CauseKilled       Cause = "killed_by_signal"   // by somebody, or by the kernel for lack of memory
	CauseKeeperLost   Cause = "keeper_lost"        // our process above it was killed, which ends it as well
	CauseStartTimeout Cause = "start_timeout"      // it did not answer in time after its start
	CauseUnresponsive Cause = "api_unresponsive"   // it no longer answers
	CauseStalled      Cause = "generation_stalled" // it answers, but a generation stands still
	CauseRequested    Cause = "requested"          // somebody asked for it
)

// Reasons for a state, beside the causes.
const (
	ReasonMissingBinary = "missing_binary" // there is no ollama program
	ReasonPortConflict  = "port_conflict"  // somebody else listens on the address
	ReasonStartFailed   = "start_failed"   // the program or its keeper could not be started
	ReasonCrashLoop     = "crash_loop"     // it ended again and again; it is still tried, slowly
	ReasonUnkillable    = "unkillable"     // a process of it does not end even when killed
	ReasonUnreachable   = "unreachable"    // nobody listens where the attached Ollama was
	ReasonStopped       = "stopped"        // the agent ends
	ReasonCPUFallback   = "cpu_fallback"   // it serves, but a model that would fit on the GPUs is in main memory
	ReasonMissingUnit   = "missing_unit"   // systemd has no such unit, or it is masked
	ReasonUnitStopped   = "unit_stopped"   // somebody stopped the unit
	ReasonForbidden     = "forbidden"      // polkit does not let the agent manage the unit
	ReasonNoSystemd     = "no_systemd"     // systemd can't be asked
)

// Reasons of an instance that is ready, beside which its sentence is a remark.
const (
	ReasonSettingsPending = "settings_pending" // what is set takes effect at its next start
	ReasonSettingsLost    = "settings_lost"    // what is set does not reach it
)
