package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	environment := map[string]string{"CORRAL_SERVER": controlPlane(t, fleetOfTwo()).URL, "CORRAL_KEY": "crl_test"}
	for _, tc := range []struct {
		words string
		want  []string
	}{
		{"model show ,", []string{"acme/loop:q4", "half:latest", "llama3:latest", "tiny:latest"}},
		{"model show acme/loop:q4 ,", nil},
		{"model fit ,", []string{"acme/loop:q4", "half:latest", "llama3:latest", "tiny:latest"}},
		{"model fit x --hosts ,", []string{"gpu-1", "gpu-2"}},
		{"model fit x --cache-type ,", []string{"f16", "q8_0", "q4_0"}},
		{"model alias ,", []string{"acme/loop:q4", "half:latest", "llama3:latest", "tiny:latest"}},
		{"model download x --hosts ,", []string{"gpu-1", "gpu-2"}},
		{"host drain ,", []string{"gpu-1", "gpu-2"}},
		{"host label ,", []string{"gpu-1", "gpu-2"}},
		{"host label gpu-1 ,", nil},
		{"chat ,", []string{"acme/loop:q4", "half:latest", "llama3:latest", "tiny:latest"}},
		{"model upload x --storage ,", []string{"models"}},
		{"op cancel ,", []string{"op_1\tdownload acme/loop:q4 to gpu-2", "op_2\tdelete old:latest from gpu-1", "op_3\tstore acme/loop:q4", "op_4\tdownload acme/loop:q4 to gpu-3"}},
		{"storage show ,", []string{"models"}},
		{"storage ls ,", []string{"models"}},
		{"storage put ,", []string{"models"}},
		{"storage rm ,", []string{"models"}},
		{"model fit x --hosts gpu-2,", []string{"gpu-2,gpu-1"}},
		{"model show --key crl_other ,", nil},
	} {
		args := append([]string{"__complete"}, strings.Fields(tc.words)...)
		if args[len(args)-1] == "," {
			args[len(args)-1] = ""
		}
		o := run(t, environment, "", args...)
		lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
		if got := lines[:len(lines)-1]; o.exit != 0 || !slices.Equal(got, tc.want) || lines[len(lines)-1] != ":4" { // no files
			t.Errorf("%s: exit %d, %q\n%s", tc.words, o.exit, lines, o.stderr)
		}
	}
	if o := run(t, environment, "", "__complete", "storage", "put", "models", ""); o.stdout != ":0\n" { // files
		t.Errorf("the second argument of storage put: %q", o.stdout)
	}
	if o := run(t, environment, "", "completion", "bash"); o.exit != 0 || !strings.Contains(o.stdout, "__start_corral") {
		t.Errorf("the script for bash: exit %d, %s", o.exit, o.stderr)
	}
}
