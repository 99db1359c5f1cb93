//go:build cgo

package probe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

// functions are those that the probe calls, each with what is absent without it.
// Where there is an older function for the same, nothing is.
func functions() map[string][]string {
	clocks := func(suffix string) []string {
		return []string{"graphics_clock" + suffix, "memory_clock" + suffix, "sm_clock" + suffix, "video_clock" + suffix}
	}
	return map[string][]string{
		"nvmlInit_v2": nil, "nvmlSystemGetDriverVersion": nil, "nvmlSystemGetNVMLVersion": nil, "nvmlSystemGetCudaDriverVersion": nil,
		"nvmlDeviceGetCount_v2": nil, "nvmlDeviceGetHandleByIndex_v2": nil, "nvmlDeviceGetUUID": nil,
		"nvmlDeviceGetName": {"name"}, "nvmlDeviceGetSerial": {"serial"}, "nvmlDeviceGetVbiosVersion": {"vbios"}, "nvmlDeviceGetPciInfo_v3": nil,
		"nvmlDeviceGetArchitecture": {"architecture"}, "nvmlDeviceGetCudaComputeCapability": {"compute_capability"},
		"nvmlDeviceGetUtilizationRates": {"memory_controller_percent", "utilization_percent"},
		"nvmlDeviceGetMemoryInfo_v2":    {"memory_reserved_bytes"},
		"nvmlDeviceGetTemperature":      nil,
		"nvmlDeviceGetPowerUsage":       {"power_mw"},
		"nvmlDeviceGetClockInfo":        clocks("_mhz"),
		"nvmlDeviceGetMaxClockInfo":     clocks("_max_mhz"),
		"nvmlDeviceGetPerformanceState": {"p_state"},

		"nvmlDeviceGetCurrentClocksEventReasons": nil,
		"nvmlDeviceGetFieldValues": {
			"ecc", "ecc_corrected", "ecc_corrected_recent", "ecc_uncorrected", "ecc_uncorrected_recent", "energy_mj", "memory_temperature_celsius",
			"pcie_replays", "power_instant_mw", "recovery_action", "row_remap_failed", "row_remap_pending", "rows_remapped_corrected",
			"rows_remapped_uncorrected", "throttled.hardware_thermal_ns", "throttled.power_brake_ns", "throttled.power_cap_ns",
			"throttled.sync_boost_ns", "throttled.thermal_ns",
		},
		"nvmlDeviceGetTemperatureThreshold":            {"max_celsius", "memory_max_celsius", "shutdown_celsius", "slowdown_celsius"},
		"nvmlDeviceGetMarginTemperature":               {"margin_celsius"},
		"nvmlDeviceGetEnforcedPowerLimit":              {"power_limit_mw"},
		"nvmlDeviceGetPowerManagementDefaultLimit":     {"power_limit_default_mw"},
		"nvmlDeviceGetPowerManagementLimitConstraints": {"power_limit_max_mw", "power_limit_min_mw"},
		"nvmlDeviceGetCurrPcieLinkGeneration":          {"pcie_generation"},
		"nvmlDeviceGetMaxPcieLinkGeneration":           {"pcie_generation_max"},
		"nvmlDeviceGetCurrPcieLinkWidth":               {"pcie_width"},
		"nvmlDeviceGetMaxPcieLinkWidth":                {"pcie_width_max"},
		"nvmlDeviceGetPersistenceMode":                 {"persistence"},
		"nvmlDeviceGetNumFans":                         {"fans"},
		"nvmlDeviceGetFanSpeed_v2":                     nil,
		"nvmlDeviceGetComputeRunningProcesses_v3":      nil,
		"nvmlDeviceGetGraphicsRunningProcesses_v3":     nil,
		"nvmlDeviceGetMigMode":                         {"mig"},
		"nvmlDeviceGetMaxMigDeviceCount":               {"mig_parts"},
		"nvmlDeviceGetMigDeviceHandleByIndex":          {"mig_parts"},
		"nvmlDeviceGetGpuInstanceId":                   nil,
		"nvmlDeviceGetComputeInstanceId":               nil,
		"nvmlDeviceGetSupportedEventTypes":             nil,
		"nvmlEventSetCreate":                           nil,
		"nvmlDeviceRegisterEvents":                     nil,
		"nvmlEventSetWait_v2":                          nil,
	}
}

// twoCards is one that is whole and one that is cut up.
func twoCards() []string { return []string{"cards 2", "mig 1", "process 0 77 200", "process 1 78 200"} }

func TestTheFunctionsAreThoseThatAreCalled(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, twoCards()...)
	reading(t, command(t, lib))
	called := map[string]bool{}
	for _, c := range lib.Calls(t) {
		if !strings.HasPrefix(c.Function, "field-") {
			called[c.Function] = true
		}
	}
	for f := range functions() {
		if !called[f] {
			t.Errorf("%s is not called", f)
		}
		delete(called, f)
	}
	for f := range called {
		t.Errorf("%s is called, and no test tries what is without it", f)
	}
}

func TestALibraryLacksAFunction(t *testing.T) {
	full := fakenvml.New(t)
	full.Say(t, twoCards()...)
	for function, absent := range functions() {
		lib := full.Without(t, function)
		for _, env := range []string{"LD_BIND_NOW=", "LD_BIND_NOW=1"} { // the empty one is as if there were none
			cmd := command(t, lib)
			cmd.Env = append(cmd.Env, env)
			r := reading(t, cmd)
			check(t, function+" "+env, r, function, absent, gpu.NoFunction)
		}
	}
}

func TestAFunctionFails(t *testing.T) {
	lib := fakenvml.New(t)
	for function, absent := range functions() {
		for code, reason := range map[int]gpu.AbsenceReason{3: gpu.Unsupported, 4: gpu.NoPermission, 999: gpu.CallFailed} {
			lib.Say(t, append(twoCards(), fmt.Sprintf("fail %s %d", function, code))...)
			r := reading(t, command(t, lib))
			switch function {
			case "nvmlInit_v2", "nvmlDeviceGetCount_v2": // there is no other that may be asked then
				if r.State != gpu.Failed || r.Message == "" || len(r.Devices) != 0 {
					t.Errorf("%s answers %d: %s, %q with %d cards", function, code, r.State, r.Message, len(r.Devices))
				}
				continue
			case "nvmlDeviceGetHandleByIndex_v2":
				if len(r.Devices) != 2 || r.Devices[0].UUID != "UNKNOWN-0" || r.Devices[0].Health != gpu.Erring {
					t.Errorf("%s answers %d: %+v", function, code, r.Devices)
				}
				continue
			case "nvmlDeviceGetPciInfo_v3":
				absent = []string{"pci_address"}
			case "nvmlDeviceGetComputeRunningProcesses_v3":
				absent = []string{"processes"}
			}
			check(t, fmt.Sprint(function, " answers ", code), r, function, absent, reason)
		}
	}
}

// check checks that a reading without a function has all but what is absent.
func check(t *testing.T, what string, r gpu.Reading, function string, absent []string, reason gpu.AbsenceReason) {
	t.Helper()
	if r.State != gpu.OK || len(r.Devices) != 2 {
		t.Errorf("%s: %s, %q with %d cards", what, r.State, r.Message, len(r.Devices))
		return
	}
	if function == "nvmlDeviceGetUUID" {
		if r.Devices[0].UUID != "UNKNOWN-0" || r.Devices[1].UUID != "UNKNOWN-1" {
			t.Errorf("%s: %+v", what, r.Devices)
		}
		return
	}
	for _, d := range r.Devices {
		if d.Health != gpu.Healthy || d.UUID != fmt.Sprint("GPU-", d.Index.V) {
			t.Errorf("%s: %s is %s, %q", what, d.UUID, d.Health, d.Message)
		}
	}
	of := r.Devices[0].Absent
	if slices.Contains(absent, "mig_parts") { // which a card has that is cut up, and then no utilization
		of = slices.DeleteFunc(r.Devices[1].Absent, func(a gpu.Absence) bool { return a.Field != "mig_parts" })
	}
	var got []string
	for _, a := range of {
		got = append(got, a.Field)
		if a.Reason != reason {
			t.Errorf("%s: %+v, want %s", what, a, reason)
		}
	}
	if d := cmp.Diff(absent, got); d != "" {
		t.Errorf("%s: absent fields (-want +got):\n%s", what, d)
	}
}

func TestALibraryThatIsNotNVIDIAs(t *testing.T) {
	lib := fakenvml.New(t)
	all := slices.Collect(maps.Keys(functions()))
	older := []string{"nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"}
	if r := reading(t, command(t, lib.Without(t, append(all, older...)...))); r.State != gpu.NoLibrary || r.Message == "" {
		t.Errorf("the reading is %+v", r)
	}
}
