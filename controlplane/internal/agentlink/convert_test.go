package agentlink

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestASampleKeepsWhatIsKnown(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	got := sampleOf(&wire.Sample{
		CPU: wire.CPU{Known: true, TotalPercent: 0, PerCorePercent: []float32{0, nan, 50}}, UptimeSec: 60, InFlight: 2,
		Sensors: []wire.Sensor{{Name: "hot", Celsius: 90}, {Name: "dead", Celsius: nan}, {Name: "odd", Celsius: inf}},
	}, noon())
	idle := 0.0
	want := &fleet.Sample{
		TakenAt: noon(), CPUPercent: &idle, CorePercent: []float64{0, 50}, UptimeSeconds: 60, InFlight: 2,
		Sensors: []fleet.Sensor{{Name: "hot", Celsius: 90}}, GPUs: []fleet.GPU{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := sampleOf(&wire.Sample{CPU: wire.CPU{Known: true, TotalPercent: nan}}, noon()); got.CPUPercent != nil {
		t.Errorf("no number is shown as %v", *got.CPUPercent)
	}
	if diff := cmp.Diff(&fleet.Sample{TakenAt: noon(), GPUs: []fleet.GPU{}}, sampleOf(&wire.Sample{}, noon())); diff != "" {
		t.Errorf("nothing known (-want +got)\n%s", diff)
	}
}

func TestASampleIsKeptWhole(t *testing.T) {
	var s wire.Sample
	fill(reflect.ValueOf(&s).Elem())
	wantFilled(t, *sampleOf(&s, noon()))
}

func TestInstancesAreKeptWhole(t *testing.T) {
	var list wire.Instances
	fill(reflect.ValueOf(&list).Elem())
	list.List[0].State = wire.InstanceReady
	wantFilled(t, instancesOf(&list)[0])
	var gpus wire.GPUReport
	fill(reflect.ValueOf(&gpus).Elem())
	gpus.State = wire.GPUsOK
	wantFilled(t, *gpuReportOf(&gpus))
	var facts wire.HostFacts
	fill(reflect.ValueOf(&facts).Elem())
	wantFilled(t, factsOf(&facts))
}

// fill gives every field a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32, reflect.Uint64, reflect.Uint8:
		v.SetUint(7)
	case reflect.Float32:
		v.SetFloat(7)
	default:
		panic("no value for a " + v.Kind().String())
	}
}

// wantFilled checks that no field of a conversion's result was forgotten.
func wantFilled(t *testing.T, got any) {
	t.Helper()
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		if v.IsZero() {
			t.Errorf("%s is empty", path)
			return
		}
		switch {
		case v.Kind() == reflect.Pointer:
			look(path, v.Elem())
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				look(path+"[]", v.Index(i))
			}
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
			for field, value := range v.Fields() {
				look(path+"."+field.Name, value)
			}
		}
	}
	look(reflect.TypeOf(got).Name(), reflect.ValueOf(got))
}

func TestAStateThatIsNotKnownIsUnknown(t *testing.T) {
	for told, want := range map[string]fleet.InstanceState{
		wire.InstanceUnknown: fleet.InstanceUnknown, "of a newer agent": fleet.InstanceUnknown,
		wire.InstanceStarting: fleet.InstanceStarting, wire.InstanceReady: fleet.InstanceReady,
		wire.InstanceDegraded: fleet.InstanceDegraded, wire.InstanceStopped: fleet.InstanceStopped,
		wire.InstanceFailed: fleet.InstanceFailed,
	} {
		if got := stateOf(told); got != want {
			t.Errorf("%q is %q, want %q", told, got, want)
		}
	}
	if got := timeOf(0); !got.IsZero() {
		t.Errorf("a time that is not known is %v", got)
	}
}

func TestAStoredSampleThatCannotBeReadIsCorrupt(t *testing.T) {
	if _, err := DecodeSample([]byte("\xff\xff"), noon()); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error is %v", err)
	}
}

func TestClockOffsetIsMeasuredFromTheMiddle(t *testing.T) {
	asked := noon()
	answered := asked.Add(200 * time.Millisecond)
	if got := clockOffset(asked, answered, asked.Add(time.Minute+100*time.Millisecond).UnixMilli()); got != time.Minute {
		t.Errorf("the offset is %v, want 1m", got)
	}
}
