//go:build cgo

package source

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

func TestACardTellsAll(t *testing.T) {
	r := newRig(t, "cards 2", "process 1 77 200", "process 1 78 -1")
	got := r.read()
	if got.State != gpu.OK || got.Driver != "550.54.14" || got.NVML != "12.550.54.14" || got.CUDA != "12.4" || len(got.Conditions) != 0 {
		t.Errorf("the reading is %+v", got)
	}
	wantCards(t, got, "GPU-0 0 ok, GPU-1 1 ok")
	d := got.Devices[1]
	known(t, "", reflect.ValueOf(d))
	if len(d.Absent) > 0 {
		t.Errorf("absent are %v", d.Absent)
	}
	for name, pair := range map[string][2]any{
		"address":      {d.Address, "0000:02:00.0"},
		"margin":       {d.MarginCelsius.V, int32(-3)},
		"memory":       {d.MemoryUsedBytes.V + d.MemoryReservedBytes.V, uint64(4 << 30)},
		"heat":         {d.MemoryTemperatureCelsius.V, uint32(82)},
		"energy":       {d.EnergyMillijoules.V, uint64(83)},
		"video clock":  {d.VideoClockMHz.V, uint32(1300)},
		"throttled":    {d.Throttled.ThermalNanoseconds.V, uint64(269)},
		"fans":         {fmt.Sprint(d.Fans), "[{30} {31} {32}]"},
		"architecture": {d.Architecture + " " + d.ComputeCapability, "Hopper 9.0"},
	} {
		if d := cmp.Diff(pair[1], pair[0]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	want := []gpu.Process{
		{PID: 77, Kind: gpu.Compute, MemoryBytes: gpu.Of(uint64(200 << 20))}, {PID: 78, Kind: gpu.Compute}, {PID: 9, Kind: gpu.Graphics},
	}
	if d := cmp.Diff(want, d.Processes); d != "" {
		t.Errorf("processes (-want +got):\n%s", d)
	}
}

// known complains about each field that is absent.
func known(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	if v.Kind() != reflect.Struct {
		return
	}
	if field := v.FieldByName("Known"); field.IsValid() {
		if !field.Bool() {
			t.Errorf("%s is absent", name)
		}
		return
	}
	for f, value := range v.Fields() {
		known(t, f.Name, value)
	}
}

func TestFieldsAreCalledAsInJSON(t *testing.T) {
	r := newRig(t, "fail nvmlDeviceGetFieldValues 3", "fail nvmlDeviceGetUtilizationRates 3", "fail nvmlDeviceGetMemoryInfo_v2 3",
		"fail nvmlDeviceGetMemoryInfo 3", "fail nvmlDeviceGetTemperature 3", "fail nvmlDeviceGetTemperatureV 3", "fail nvmlDeviceGetClockInfo 3",
		"fail nvmlDeviceGetMaxClockInfo 3", "fail nvmlDeviceGetCurrentClocksEventReasons 3", "fail nvmlDeviceGetCurrentClocksThrottleReasons 3",
		"fail nvmlDeviceGetTemperatureThreshold 3", "fail nvmlDeviceGetPowerManagementLimitConstraints 3", "fail nvmlDeviceGetNumFans 3",
		"fail nvmlDeviceGetComputeRunningProcesses_v3 3", "fail nvmlDeviceGetMigMode 3")
	d := r.read().Devices[0]
	b, err := json.Marshal(fullDevice())
	if err != nil {
		t.Fatal(err)
	}
	var names map[string]any
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	throttled, _ := names["throttled"].(map[string]any)
	if len(d.Absent) < 40 {
		t.Errorf("%d fields are absent: %v", len(d.Absent), d.Absent)
	}
	for _, a := range d.Absent {
		_, there := names[a.Field]
		if part, ok := strings.CutPrefix(a.Field, "throttled."); ok {
			_, there = throttled[part]
		}
		if !there || a.Reason != gpu.Unsupported || a.Code != 3 {
			t.Errorf("%+v is no field that is not supported", a)
		}
	}
}

// fullDevice has something in each field, so that JSON names them all.
func fullDevice() gpu.Device {
	var d gpu.Device
	fillKnown(reflect.ValueOf(&d).Elem())
	d.Fans, d.Processes, d.Parts = make([]gpu.Fan, 1), make([]gpu.Process, 1), make([]gpu.Part, 1)
	return d
}

func fillKnown(v reflect.Value) {
	for f, field := range v.Fields() {
		switch {
		case f.Name == "Known":
			field.SetBool(true)
		case field.Kind() == reflect.Struct:
			fillKnown(field)
		case field.Kind() == reflect.String:
			field.SetString("x")
		}
	}
}

func TestWhatIsNotSupportedIsAskedOnce(t *testing.T) {
	r := newRig(t, "cards 2", "fail nvmlDeviceGetClockInfo 3 1", "fail field-82 3", "fail nvmlDeviceGetPowerUsage 4 1", "fail nvmlDeviceGetSerial 3")
	for range 3 {
		r.slowly()
	}
	got := r.read()
	for call, want := range map[fakenvml.Call]int{
		{Function: "nvmlDeviceGetClockInfo", Card: 0, Argument: 1}: 4,
		{Function: "nvmlDeviceGetClockInfo", Card: 1, Argument: 1}: 1, // by the argument, not by the function
		{Function: "nvmlDeviceGetClockInfo", Card: 1, Argument: 2}: 1,
		{Function: "field-82", Card: 0, Argument: 82}:              1,
		{Function: "field-83", Card: 0, Argument: 83}:              3, // of the slow readings
		{Function: "nvmlDeviceGetPowerUsage", Card: 1}:             4, // what may not be asked may be allowed
		{Function: "nvmlDeviceGetSerial", Card: 1}:                 1,
	} {
		if n := r.lib.Count(t, call); n != want {
			t.Errorf("%+v was called %d times, want %d", call, n, want)
		}
	}
	if d := got.Devices[0]; d.MemoryTemperatureCelsius.Known || !d.EnergyMillijoules.Known || !d.SMClockMHz.Known || d.Health != gpu.Healthy {
		t.Errorf("card 0 is %+v", d)
	}
	want := []gpu.Absence{
		{Field: "graphics_clock_mhz", Reason: gpu.Unsupported, Code: 3},
		{Field: "memory_clock_mhz", Reason: gpu.Unsupported, Code: 3},
		{Field: "memory_temperature_celsius", Reason: gpu.Unsupported, Code: 3},
		{Field: "power_mw", Reason: gpu.NoPermission, Code: 4},
		{Field: "serial", Reason: gpu.Unsupported, Code: 3},
		{Field: "sm_clock_mhz", Reason: gpu.Unsupported, Code: 3},
		{Field: "video_clock_mhz", Reason: gpu.Unsupported, Code: 3},
	}
	if d := cmp.Diff(want, got.Devices[1].Absent); d != "" {
		t.Errorf("absent of card 1 (-want +got):\n%s", d)
	}

	// Another driver may support it.
	r.lib.Forget(t)
	r.say("cards 2", "driver 560.1")
	got = r.slowly()
	if d := got.Devices[1]; !d.SMClockMHz.Known || !d.MemoryTemperatureCelsius.Known || len(d.Absent) > 0 || got.Driver != "560.1" {
		t.Errorf("after the driver changed: %+v", d)
	}
}

func TestTheVersionOfCUDAIsAskedForElsewhere(t *testing.T) {
	r := newRig(t)
	answer := make(chan string, 1)
	asked := 0
	r.host.CUDA = func() <-chan string { asked++; return answer }
	r.begin()
	if got := r.slowly(); got.CUDA != "" || got.State != gpu.OK {
		t.Errorf("before there is an answer: %q, %s", got.CUDA, got.State)
	}
	r.slowly()
	answer <- "12.4"
	for range 2 {
		if got := r.slowly(); got.CUDA != "12.4" {
			t.Errorf("after the answer: %q", got.CUDA)
		}
	}
	if n := r.lib.Count(t, fakenvml.Call{Function: "nvmlSystemGetCudaDriverVersion", Card: -1}); n != 0 || asked != 1 {
		t.Errorf("this process asked %d times, and another %d times", n, asked)
	}
}

func TestAModelIsLoaded(t *testing.T) {
	r := newRig(t)
	r.read()
	for _, step := range []struct {
		load, pid, want int
	}{{load: 10, pid: 77, want: 0}, {load: 4000, pid: 78, want: 78}, {load: 4010, pid: 79, want: 78}} {
		r.say(fmt.Sprint("load ", step.load), fmt.Sprintf("process 0 %d 4000", step.pid))
		processes := r.read().Devices[0].Processes
		if got := int(processes[0].PID); step.want == 0 && len(processes) != 1 || step.want > 0 && got != step.want {
			t.Errorf("with %d MiB of process %d the processes are %+v", step.load, step.pid, processes)
		}
	}
}

func TestMemoryOfTheOlderVersion(t *testing.T) {
	r := newRig(t, "fail nvmlDeviceGetMemoryInfo_v2 3")
	for range 2 {
		d := r.read().Devices[0]
		if d.MemoryUsedBytes != gpu.Of(uint64(3<<30)) || d.MemoryTotalBytes != gpu.Of(uint64(80<<30)) || d.MemoryReservedBytes.Known {
			t.Errorf("the versions are mixed: %v of %v, %v reserved", d.MemoryUsedBytes, d.MemoryTotalBytes, d.MemoryReservedBytes)
		}
		if want := []gpu.Absence{{Field: "memory_reserved_bytes", Reason: gpu.Unsupported, Code: 3}}; !slices.Equal(d.Absent, want) {
			t.Errorf("absent are %v", d.Absent)
		}
	}
}
