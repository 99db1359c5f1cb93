// Package s3 starts VersityGW, S3 in front of a directory, as a service that benchmarks
// have files brought to and fetched from.
package s3

import (
	"context"
	"errors"
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
	Bucket = "bucket"
	Region = "us-east-1"
	Key    = "bench"
	Secret = "the-secret-of-bench"
)

// SecretField is the one of storage-s3's fields that is set and secret.
const SecretField = "secret_access_key"

// startLimit is how long the service may take to listen.
const startLimit = 30 * time.Second

// Service is one that runs.
type Service struct {
	Address string // host:port
	process *child.Process
}

// Start starts the program at path with its files in dir, and returns when it listens.
func Start(ctx context.Context, path, dir string) (*Service, error) {
	if err := os.MkdirAll(filepath.Join(dir, Bucket), 0o755); err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	process, err := child.Start(ctx, "versitygw", []string{path, "--port", address, "--region", Region, "posix", dir}, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+Key, "ROOT_SECRET_KEY="+Secret)
	})
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(startLimit); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			return &Service{Address: address, process: process}, conn.Close()
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("versitygw does not listen\n%s", process.Output()), process.Stop())
		}
	}
}

// Stop ends it.
func (s *Service) Stop() error { return s.process.Stop() }

// Config returns the configuration of storage-s3 for the service.
func (s *Service) Config() map[string]any {
	return map[string]any{
		"endpoint": "http://" + s.Address, "region": Region, "bucket": Bucket, "access_key_id": Key, SecretField: Secret,
	}
}
