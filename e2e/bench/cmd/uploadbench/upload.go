package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"

	"github.com/corral-fleet/corral/e2e/bench/pair"
)

// modelName is what a model is called that comes by a way, in a round.
func modelName(way, round int) string { return fmt.Sprintf("uploadbench-%d-%d", way, round) }

// answer is what the server said.
type answer struct {
	header http.Header
	body   []byte
}

// do sends a request and wants it to go well.
func do(ctx context.Context, cp *pair.ControlPlane, method, target string, body io.Reader, length int64, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, cp.URL+target, body)
	if err != nil {
		return answer{}, err
	}
	req.ContentLength = length
	req.Header.Set("Authorization", "Bearer "+cp.Key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, target, resp.StatusCode, text)
	}
	return answer{resp.Header, text}, err
}

// uploadByTus sends a file as one piece.
func uploadByTus(ctx context.Context, cp *pair.ControlPlane, path, model string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	is, err := file.Stat()
	if err != nil {
		return err
	}
	created, err := do(ctx, cp, "POST", "/api/uploads", nil, 0, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.FormatInt(is.Size(), 10),
		"Upload-Metadata", "name "+base64.StdEncoding.EncodeToString([]byte(model))+",filename "+base64.StdEncoding.EncodeToString([]byte("file.gguf")))
	if err != nil {
		return err
	}
	_, err = do(ctx, cp, "PATCH", created.header.Get("Location"), file, is.Size(),
		"Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	return err
}

// uploadByForm sends a file as a browser's form does.
func uploadByForm(ctx context.Context, cp *pair.ControlPlane, path, model string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	is, err := file.Stat()
	if err != nil {
		return err
	}
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	if err := w.WriteField("name", model); err != nil {
		return err
	}
	if _, err := w.CreateFormFile("file", "file.gguf"); err != nil {
		return err
	}
	before := bytes.Clone(frame.Bytes())
	frame.Reset()
	if err := w.Close(); err != nil {
		return err
	}
	length := int64(len(before)) + is.Size() + int64(frame.Len())
	_, err = do(ctx, cp, "POST", "/api/models", io.MultiReader(bytes.NewReader(before), file, &frame), length, "Content-Type", w.FormDataContentType())
	return err
}
