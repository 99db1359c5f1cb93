// Package demo puts a tiny model into an Ollama that has none, so that somebody
// who just started the system gets an answer before the first download.
package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// Model is the name that the model gets.
const Model = "corral-demo:latest"

// Create makes the model in the Ollama at hostPort.
func Create(ctx context.Context, hostPort string) error {
	// The file is the same each time that it is generated, so it is generated
	// twice, for its digest and for its upload, and never held in memory.
	sum := sha256.New()
	if err := tinymodel.Write(sum, tinymodel.Options{}); err != nil {
		return fmt.Errorf("generate the demo model: %w", err)
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	base := "http://" + hostPort
	transport := &http.Transport{} // no proxy: the Ollama is on this host
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	file, generated := io.Pipe()
	var generator sync.WaitGroup
	generator.Go(func() { generated.CloseWithError(tinymodel.Write(generated, tinymodel.Options{})) })
	err := post(ctx, client, base+"/api/blobs/"+digest, "application/octet-stream", file)
	file.Close() // ends the generator where the upload did not take all
	generator.Wait()
	if err != nil {
		return fmt.Errorf("upload the demo model: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"model":  Model,
		"files":  map[string]string{"corral-demo.gguf": digest},
		"stream": false,
		// On a tiny model several threads mostly wait for each other.
		"parameters": map[string]any{"num_thread": 1},
	})
	if err != nil {
		return fmt.Errorf("describe the demo model: %w", err)
	}
	if err := post(ctx, client, base+"/api/create", "application/json", bytes.NewReader(body)); err != nil {
		return fmt.Errorf("create the demo model: %w", err)
	}
	return nil
}

func post(ctx context.Context, client *http.Client, url, contentType string, body io.Reader) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	said, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(said))
	}
	return nil
}
