package checkup_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/corral-fleet/corral/sdk/checkup"
)

func Example() {
	checks := []checkup.Check{
		{Name: "clock", Status: checkup.OK, Evidence: "20ms from the control plane's"},
		{Name: "data directory", Status: checkup.Failed, Evidence: "1.0 MiB free", Mend: "make room on its disk"},
	}
	if err := checkup.Print(os.Stdout, checks, false); err != nil {
		panic(err)
	}
	if err := checkup.Print(os.Stdout, checks[:1], true); err != nil {
		panic(err)
	}
	fmt.Println("healthy:", checkup.Healthy(checks))
	// Output:
	// ok       clock: 20ms from the control plane's
	// failed   data directory: 1.0 MiB free
	//          mend: make room on its disk
	// [
	//   {
	//     "name": "clock",
	//     "status": "ok",
	//     "evidence": "20ms from the control plane's"
	//   }
	// ]
	// healthy: false
}

func TestWarningsAreHealthy(t *testing.T) {
	if !checkup.Healthy([]checkup.Check{{Status: checkup.Warning}, {Status: checkup.OK}}) {
		t.Error("a warning counts as a failure")
	}
}
