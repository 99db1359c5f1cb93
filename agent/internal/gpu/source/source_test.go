//go:build cgo

package source

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestTheMachinesOfTheBindingHaveReadings(t *testing.T) {
	for _, machine := range ofBinding() {
		s, err := Open(RecordedPrefix+machine, Host{})
		if err != nil {
			t.Fatal(err)
		}
		var r gpu.Reading
		s.Read(&r)
		if r.State != gpu.OK || len(r.Devices) != 8 {
			t.Fatalf("%s: %s with %d cards", machine, r.State, len(r.Devices))
		}
		for _, d := range r.Devices {
			if d.Health != gpu.Healthy || !d.UtilizationPercent.Known || !d.MemoryReservedBytes.Known || !d.PowerMilliwatts.Known {
				t.Errorf("%s: a card lacks readings: %+v", machine, d)
			}
			if len(d.Fans) > 0 {
				t.Errorf("%s: a card has what it does not support: %+v", machine, d)
			}
		}
	}
}

func TestEveryRecordingIsOfACardThatNobodyKnows(t *testing.T) {
	if len(recordings()) == 0 {
		t.Fatal("there are none")
	}
	for _, machine := range recordings() {
		s, err := Open(RecordedPrefix+machine, Host{})
		if err != nil {
			t.Fatal(err)
		}
		var first, r gpu.Reading
		s.Read(&first)
		for {
			s.Read(&r)
			if r.State != gpu.OK || r.Source != RecordedPrefix+machine || len(r.Devices) == 0 {
				t.Fatalf("%s: the reading is %+v", machine, r)
			}
			for _, d := range r.Devices {
				if d.Serial != "" || !strings.HasPrefix(d.UUID, "GPU-"+machine+"-0000-") || d.Health != gpu.Healthy || !d.PowerMilliwatts.Known {
					t.Errorf("%s: %+v", machine, d)
				}
				for _, p := range d.Processes {
					if p.PID < recordedPID {
						t.Errorf("%s: a process may be one of this host: %+v", machine, p)
					}
				}
			}
			if r.Devices[0].EnergyMillijoules == first.Devices[0].EnergyMillijoules {
				break // it is told from its beginning again
			}
		}
	}
}

func TestDemoSaysThatItIsOne(t *testing.T) {
	s, err := Open(Demo, Host{})
	if err != nil {
		t.Fatal(err)
	}
	var r gpu.Reading
	s.Read(&r)
	for _, d := range r.Devices {
		if !strings.Contains(d.Name, "Demo") || d.Message == "" {
			t.Errorf("a made-up card passes for real: %+v", d)
		}
	}
	if r.Source != Demo || len(r.Devices) == 0 {
		t.Errorf("the reading is %+v", r)
	}
}

func TestASourceThatIsNone(t *testing.T) {
	for _, name := range []string{"", "recorded:", "recorded:toaster", "nvidia"} {
		if _, err := Open(name, Host{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
