package scaffold

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// SDKVariable names the folder of the SDK, where a flag does not.
const SDKVariable = "CORRAL_PLUGIN_SDK"

// sdkModule is what the SDK's go.mod begins with.
const sdkModule = "module github.com/corral-fleet/corral/sdk\n"

// FindSDK returns the folder of the SDK: the named one, that of the variable, or the
// one that came with the program, which is beside its folder or in the share of where
// it was installed.
func FindSDK(named string, environ []string, executable string) (string, error) {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, SDKVariable+"="); ok && named == "" {
			named = value
		}
	}
	if named != "" {
		dir, err := filepath.Abs(named)
		if err == nil && !isSDK(dir) {
			err = fmt.Errorf("%s is not the SDK: it has no go.mod that says %q", dir, strings.TrimSpace(sdkModule))
		}
		return dir, err
	}
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		executable = real
	}
	prefix := filepath.Dir(filepath.Dir(executable))
	for _, dir := range []string{filepath.Join(prefix, "sdk"), filepath.Join(prefix, "share", "corral", "sdk")} {
		if isSDK(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the SDK is not where this program was installed: name its folder with --sdk or %s", SDKVariable)
}

func isSDK(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(text), sdkModule)
}
