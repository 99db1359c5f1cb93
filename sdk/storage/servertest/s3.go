package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// S3Server is VersityGW, which keeps each object in a file.
type S3Server struct {
	*process
	Endpoint        string
	Region          string
	Bucket          string
	AccessKeyID     string
	SecretAccessKey string
	Dir             string // of the bucket's files
}

// S3 starts a server of S3 with a bucket.
func S3(t testing.TB) *S3Server {
	t.Helper()
	versitygw := program(t, "s3", "versitygw")
	s := &S3Server{Region: "us-east-1", Bucket: "bucket", AccessKeyID: "corral-tests", SecretAccessKey: "the-secret-of-corral-tests"}
	root := t.TempDir()
	s.Dir = filepath.Join(root, s.Bucket) // a bucket is a directory
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, func(address string) *exec.Cmd {
		cmd := exec.Command(versitygw, "--port", address, "--region", s.Region, "posix", root)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKeyID, "ROOT_SECRET_KEY="+s.SecretAccessKey)
		return cmd
	})
	s.Endpoint = "http://" + s.address
	return s
}

// Config returns the configuration of storage-s3 for the server, as YAML.
func (s *S3Server) Config(prefix string) string {
	return fmt.Sprintf("endpoint: %s\nregion: %s\nbucket: %s\nprefix: %q\naccess_key_id: %s\nsecret_access_key: %s\n",
		s.Endpoint, s.Region, s.Bucket, prefix, s.AccessKeyID, s.SecretAccessKey)
}
