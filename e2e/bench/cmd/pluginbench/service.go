package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
)

// What the service is told of who may use it.
const (
	serviceBucket = "bucket"
	serviceRegion = "us-east-1"
	serviceKey    = "pluginbench"
	serviceSecret = "the-secret-of-pluginbench"
)

// service is VersityGW, S3 in front of a directory.
type service struct {
	address string
	stop    func() error
}

// startLimit is how long the service may take to listen.
const startLimit = 30 * time.Second

func startService(ctx context.Context, path, dir string) (*service, error) {
	if err := os.MkdirAll(filepath.Join(dir, serviceBucket), 0o755); err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	p, err := child.Start(ctx, "versitygw", []string{path, "--port", address, "--region", serviceRegion, "posix", dir}, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+serviceKey, "ROOT_SECRET_KEY="+serviceSecret)
	})
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(startLimit); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return &service{address, p.Stop}, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("versitygw does not listen\n%s", p.Output())
		}
	}
}

// config returns the configuration of storage-s3 for the service.
func (s *service) config() map[string]any {
	return map[string]any{
		"endpoint": "http://" + s.address, "region": serviceRegion, "bucket": serviceBucket, "access_key_id": serviceKey, secretField: serviceSecret,
	}
}

// rclone returns the command that does a task by rclone, with what rclone takes to be
// best.
func (s *service) rclone(ctx context.Context, path string, t task) *exec.Cmd {
	from, to := t.File, "service:"+serviceBucket+"/"+t.Key
	if t.Get {
		from, to = to, from
	}
	cmd := exec.CommandContext(ctx, path, "copyto", from, to)
	cmd.Env = append(os.Environ(), "RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_SERVICE_TYPE=s3", "RCLONE_CONFIG_SERVICE_PROVIDER=Other",
		"RCLONE_CONFIG_SERVICE_ENDPOINT=http://"+s.address, "RCLONE_CONFIG_SERVICE_REGION="+serviceRegion,
		"RCLONE_CONFIG_SERVICE_ACCESS_KEY_ID="+serviceKey, "RCLONE_CONFIG_SERVICE_SECRET_ACCESS_KEY="+serviceSecret)
	return cmd
}
