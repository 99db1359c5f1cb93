package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/corral-fleet/corral/e2e/bench/s3"
)

// rclone returns the command that does a task at a service by rclone, with what rclone
// takes to be best.
func rclone(ctx context.Context, path string, service *s3.Service, t task) *exec.Cmd {
	from, to := t.File, "service:"+s3.Bucket+"/"+t.Key
	if t.Get {
		from, to = to, from
	}
	cmd := exec.CommandContext(ctx, path, "copyto", from, to)
	cmd.Env = append(os.Environ(), "RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_SERVICE_TYPE=s3", "RCLONE_CONFIG_SERVICE_PROVIDER=Other",
		"RCLONE_CONFIG_SERVICE_ENDPOINT=http://"+service.Address, "RCLONE_CONFIG_SERVICE_REGION="+s3.Region,
		"RCLONE_CONFIG_SERVICE_ACCESS_KEY_ID="+s3.Key, "RCLONE_CONFIG_SERVICE_SECRET_ACCESS_KEY="+s3.Secret)
	return cmd
}
