package servertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// AzureServer is Azurite.
type AzureServer struct {
	*process
	Endpoint  string // of the account
	Account   string
	Key       string
	Container string
}

// Azure starts a server of Azure's blobs with a container.
func Azure(t testing.TB) *AzureServer {
	t.Helper()
	azurite, folder := program(t, "azblob", "azurite-blob"), t.TempDir()
	s := &AzureServer{
		Account: "devstoreaccount1", Container: "container",
		// Everybody knows this key: it is the emulator's.
		Key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
	}
	s.process = start(t, func(address string) *exec.Cmd {
		host, port, _ := strings.Cut(address, ":")
		return exec.Command(azurite, "--blobHost", host, "--blobPort", port, "--location", folder, "--skipApiVersionCheck", "--silent", "--disableTelemetry")
	})
	s.Endpoint = "http://" + s.address + "/" + s.Account
	if err := s.makeContainer(); err != nil {
		t.Fatalf("make a container: %v", err)
	}
	return s
}

// Config returns the configuration of storage-azblob for the server, as YAML.
func (s *AzureServer) Config(prefix string) string {
	return fmt.Sprintf("endpoint: %s\naccount: %s\naccount_key: %s\ncontainer: %s\nprefix: %q\n", s.Endpoint, s.Account, s.Key, s.Container, prefix)
}

// makeContainer asks the server for it, signed as the service wants that.
func (s *AzureServer) makeContainer() error {
	key, err := base64.StdEncoding.DecodeString(s.Key)
	if err != nil {
		return err
	}
	const version = "2021-12-02"
	date := time.Now().UTC().Format(http.TimeFormat)
	sign := hmac.New(sha256.New, key)
	fmt.Fprintf(sign, "PUT%sx-ms-date:%s\nx-ms-version:%s\n/%s/%s/%s\nrestype:container",
		strings.Repeat("\n", 12), date, version, s.Account, s.Account, s.Container)
	r, err := http.NewRequest(http.MethodPut, s.Endpoint+"/"+s.Container+"?restype=container", http.NoBody)
	if err != nil {
		return err
	}
	r.Header = http.Header{
		"X-Ms-Date": {date}, "X-Ms-Version": {version},
		"Authorization": {"SharedKey " + s.Account + ":" + base64.StdEncoding.EncodeToString(sign.Sum(nil))},
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("the server says %s", answer.Status)
	}
	return nil
}
