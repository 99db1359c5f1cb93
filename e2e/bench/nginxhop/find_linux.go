package nginxhop

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Find returns the path of an nginx: the system's, or one that scripts/server.sh
// unpacks for this alone.
func Find(ctx context.Context) (string, error) {
	work, err := exec.CommandContext(ctx, "go", "env", "GOWORK").Output()
	if err != nil {
		return "", fmt.Errorf("find scripts/server.sh: %w", err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(string(work)), "scripts", "server.sh"), "nginx")
	cmd.Stderr = &stderr
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find nginx: %w\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(path)), nil
}
