package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

var update = flag.Bool("update", false, "rewrite the golden output")

// TestGolden pins what people see: every help, every table, every complaint.
func TestGolden(t *testing.T) {
	environment := map[string]string{"CORRAL_SERVER": controlPlane(t, fleetOfTwo()).URL, "CORRAL_KEY": "crl_test"}
	empty := map[string]string{"CORRAL_SERVER": controlPlane(t, []fleet.HostView{}).URL, "CORRAL_KEY": "crl_test"}
	cases := []struct {
		name        string
		environment map[string]string
		commands    []string // words without quotes
	}{
		{"help", environment, []string{
			"--help", "status --help", "host --help", "host list --help", "host show --help", "host drain --help", "host undrain --help",
			"host approve --help", "host rename --help", "host label --help", "host remove --help", "gpu --help", "gpu show --help", "gpu processes --help", "gpu release --help", "gpu acquire --help", "token --help", "token list --help", "token revoke --help",
			"host restart --help", "host logs --help", "model --help", "model list --help", "model show --help", "model upload --help", "model import --help", "model fit --help", "model download --help", "model delete --help", "model restore --help", "model pin --help", "model unpin --help", "model label --help", "model alias --help", "model describe --help", "op --help", "op list --help", "op show --help", "op watch --help", "op cancel --help", "op retry --help", "chat --help", "explain --help", "queue --help", "queue list --help", "breaker --help", "breaker list --help", "breaker reset --help", "storage --help", "storage list --help", "storage add --help", "storage set --help", "storage ls --help", "storage get --help", "storage put --help", "plugin --help", "plugin list --help", "plugin show --help", "plugin rollback --help", "plugin install --help", "plugin approve --help", "plugin remove --help", "usage --help", "version --help",
		}},
		{"tables", environment, []string{"version", "status", "host list", "host show gpu-1", "host show gpu-2", "gpu show gpu-1", "gpu processes gpu-1", "gpu processes gpu-2", "model list", "model show acme/loop:q4", "model show llama3:latest", "model fit acme/loop:q4", "model fit acme/loop:q4 --hosts gpu-1 --context 8192 --parallel 2 --cache-type q8_0", "model fit acme/loop:q4 --hosts gpu-1,gpu-2", "model fit acme/loop:q4 --hosts gpu-3", "op list", "op list --model llama3", "op list --state failed", "op list --ended 0", "op show op_1", "op show op_2", "op show op_3", "explain r1-2a", "queue list", "breaker list", "token list", "storage list", "storage show models", "storage ls models", "storage ls models a/ --flat", "plugin list", "plugin show fs", "plugin show storage/fs", "plugin show fedcba9876543210"}},
		{"nothing", empty, []string{"status", "host list", "model list", "op list", "op watch", "queue list", "breaker list", "token list"}},
		{"json", environment, []string{"status --output json", "host list --output json", "host show gpu-2 --output json", "model list -o json", "model show acme/loop:q4 -o json", "model fit acme/loop:q4 --hosts gpu-1 -o json", "op list -o json", "op show op_1 -o json", "explain r1-2a --output json", "queue list --output json", "breaker list --output json", "plugin show fs --output json"}},
		{"actions", environment, []string{
			"host drain gpu-2", "host undrain gpu-2", "host approve gpu-2", "host rename gpu-2 big", "host label gpu-1 rack=a8 owner- --output json", "host label gpu-2 rack=a8", "host remove gpu-2", "token revoke tok_aaaa", "host restart gpu-2", "host undrain gpu-2 --output json",
			"gpu release gpu-1 --for 90s", "gpu acquire gpu-1", "host logs gpu-1", "host logs gpu-1 --instance second -n 5 -f",
			"storage add models --plugin s3 bucket=b part.size=8 note=7up", "storage set models bucket=c secret=", "storage check models", "storage remove models", "storage get models a/b.gguf -", "storage put models - a/b.gguf", "storage rm models a/b.gguf", "plugin rollback storage/fs", "plugin install /dev/null", "plugin approve aa", "plugin remove aa",
			"model import s3://models/tiny.gguf --name tiny --hosts gpu-1,gpu-2", "model download acme/loop:q4", "model download acme/loop:q4 --all", "model download acme/loop:q4 --hosts gpu-1,gpu-2", "model download acme/loop:q4 --label rack=a7 --count 2",
			"model delete acme/loop:q4 --yes", "model delete acme/loop:q4 -y --purge", "model delete acme/loop:q4 -y --hosts gpu-1,gpu-3", "model delete half:latest --yes", "model restore acme/loop:q4", "model pin llama3:latest", "model unpin llama3:latest",
			"model label acme/loop:q4 shift=3 team-", "model alias acme/loop:q4 prod Night-", "model alias acme/loop:q4 night:latest-", "model describe acme/loop:q4 Anything", "model pin tiny:latest -o json", "op cancel op_1", "op retry op_2", "op retry op_4", "op retry op_4 -o json", "op watch op_3",
			"breaker reset", "breaker reset --host gpu-1 --instance default --model llama3", "breaker reset --output json",
		}},
		{"chat", environment, []string{"chat tiny Hello there", "chat tiny Hello --output json"}},
		{"complaints", environment, []string{
			"bogus", "host bogus", "host lst", "--bogus", "host show", "host show gpu-1 gpu-2", "status now", "chat", "host logs gpu-1 -n 0", "host label gpu-2", "host label gpu-2 rack", "host rename gpu-2", "gpu release", "gpu release gpu-1 --for ever",
			"explain", "explain r1-1", "status --output xml", "status --server gpu-1", "chat tiny", "host show gpu-3", "status --key crl_other", "storage add models", "storage add models bucket", "storage set models", "storage put models -", "storage put models /nowhere", "storage show none", "plugin rollback fs", "plugin show", "plugin show none", "plugin show s3", "plugin install /nowhere", "plugin approve",
			"model show", "model show none", "model fit", "model fit none", "model fit acme/loop:q4 --context -1", "model upload", "model import", "model upload /nowhere", "model upload /dev/null", "model upload -", "model download acme/loop:q4 --all --hosts gpu-1", "model download acme/loop:q4 --label rack", "model download acme/loop:q4 --count -1",
			"model delete acme/loop:q4", "model delete none --yes", "model delete acme/loop:q4 --yes --hosts gpu-1 --purge", "model label acme/loop:q4", "model alias acme/loop:q4", "model label acme/loop:q4 x", "op show none", "op watch op_4", "op watch none", "op list --ended -1", "op list --state over", "storage ls", "storage ls a b c", "storage get a", "storage put a",
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got strings.Builder
			for _, command := range tc.commands {
				o := run(t, tc.environment, "", strings.Fields(command)...)
				fmt.Fprintf(&got, "$ corral %s\n%s", command, o.stdout)
				if o.stderr != "" {
					fmt.Fprintf(&got, "[stderr] %s", o.stderr)
				}
				fmt.Fprintf(&got, "[exit %d]\n\n", o.exit)
			}
			path := filepath.Join("testdata", tc.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (go test -update writes it)", err)
			}
			if diff := cmp.Diff(string(golden), got.String()); diff != "" {
				t.Errorf("other output than the golden one (-golden +got):\n%s", diff)
			}
		})
	}
}
