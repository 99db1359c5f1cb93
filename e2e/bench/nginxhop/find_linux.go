package nginxhop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Locate returns the path of an nginx that is installed.
func Locate() (string, error) {
	// Debian keeps it where the search path of a user doesn't lead.
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("nginx is not installed: apt-get install nginx-light, or give its path")
}

// Find returns the path of nginx. Where it is missing, on a Debian and as
// root, it is installed; the package's own service may be started by that.
func Find(ctx context.Context) (string, error) {
	path, err := Locate()
	if err == nil || os.Geteuid() != 0 {
		return path, err
	}
	cmd := exec.CommandContext(ctx, "apt-get", "install", "-y", "--no-install-recommends", "nginx-light")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install nginx: %v: %w\n%s", cmd.Args, err, out)
	}
	return Locate()
}
