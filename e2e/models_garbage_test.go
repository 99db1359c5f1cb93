package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// strangeNames are no names of models.
func strangeNames() []string {
	return []string{
		"a/b/c/d/e", ":", "a:b:c", "a:", "/a", "a//b", "../../etc/passwd", "..", "a\\b", "a b", "🦙", "ünïcode", "\u202egguf", strings.Repeat("x", 300), "a:" + strings.Repeat("x", 300),
		"a\x00b", "a\nb", "-", "a@b", "http://x/y:z", "\xff\xfe", "%2e%2e", "a?b=c", "<script>",
	}
}

// sendNames gives models names that none has, on every way in.
func sendNames(t *testing.T, b *besieged) {
	file := []byte("GGUF")
	for _, name := range strangeNames() {
		what := fmt.Sprintf("the name %.20q", name)
		wantRefused(t, what+" in a form", b.uploadFiles(t, map[string]string{"name": name}, map[string][]byte{"m.gguf": file}))
		wantRefused(t, what+" by tus", b.tus("POST", "/api/uploads", "", "Upload-Length", "4", "Upload-Metadata", metadataOf("name", name)))
		wantRefused(t, what+" in a list", b.operator.Post("/api/uploads", object{"name": name, "files": []object{{"filename": "m.gguf", "size": 4}}}))
		wantRefused(t, what+" by Ollama's way", b.operator.Post("/api/create", object{"model": name, "files": object{"m.gguf": "sha256:" + strings.Repeat("0", 64)}}))
		wantRefused(t, what+" of a file in a storage", b.operator.Post("/api/models", object{"name": name, "source": "storage://default/m.gguf"}))
		for _, path := range []string{"", "/fit", "/download"} {
			method := "GET"
			if path == "/download" {
				method = "POST"
			}
			wantRefused(t, what+" in the path "+path, b.operator.Do(method, "/api/models/"+url.PathEscape(name)+path, nil))
		}
	}
	// The folders before a file's name are nobody's, and no name of a file leads anywhere.
	for _, name := range []string{"../../../../tmp/corral-strange.gguf", "/tmp/corral-strange.gguf", `C:\corral-strange.gguf`, "🦙 gguf.gguf", ".corral", "CON", "a;b|c$(d)"} {
		answer := b.uploadFiles(t, map[string]string{"name": "filename"}, map[string][]byte{name: file})
		if answer.Status != 200 {
			wantRefused(t, "a file called "+name, answer)
			continue
		}
		awaitModel(t, b.operator, "filename", "is refused, of "+name, func(m catalogued) bool { return m.Status == "failed" && m.Progress == nil })
		b.purge(t, "filename")
	}
	for _, name := range []string{"..", "/", "a\nb", strings.Repeat("x", 256), "\xff"} {
		wantRefused(t, fmt.Sprintf("a file called %.20q", name), b.tus("POST", "/api/uploads", "", "Upload-Length", "4", "Upload-Metadata", metadataOf("name", "a", "filename", name)))
	}
}

// metadataOf is how tus writes what is known of an upload.
func metadataOf(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(list, ",")
}

// sendPieces lies about lengths and digests.
func sendPieces(t *testing.T, b *besieged) {
	created := func(name string, size int, more ...string) string {
		t.Helper()
		got := b.tus("POST", "/api/uploads", "", "Upload-Length", fmt.Sprint(size), "Upload-Metadata", metadataOf(append([]string{"name", name}, more...)...))
		if got.Status != http.StatusCreated {
			t.Fatalf("create: %d %s", got.Status, got.Body)
		}
		return got.Header.Get("Location")
	}
	more := created("more", 10)
	wantRefused(t, "more than was announced", b.tus("PATCH", more, strings.Repeat("x", 11), "Upload-Offset", "0"))
	wantRefused(t, "an offset that is none", b.tus("PATCH", more, "x", "Upload-Offset", "-1"))
	wantRefused(t, "an offset beyond", b.tus("PATCH", more, "x", "Upload-Offset", "9223372036854775807"))
	wantRefused(t, "no offset", b.tus("PATCH", more, "x"))
	b.chunked(t, more, strings.Repeat("x", 1<<20)) // which says no length, and breaks off
	if got := b.tus("HEAD", more, ""); got.Status != http.StatusGone {
		t.Errorf("what sent more than it announced goes on: %d", got.Status)
	}
	if got := b.tus("DELETE", more, ""); got.Status != 204 {
		t.Errorf("delete: %d %s", got.Status, got.Body)
	}
	wrong := created("wrong", 4, "sha256", strings.Repeat("0", 64))
	wantRefused(t, "another sha256", b.tus("PATCH", wrong, "GGUF", "Upload-Offset", "0"))
	if got := b.tus("HEAD", wrong, ""); got.Status != http.StatusGone {
		t.Errorf("what has another sha256 goes on: %d", got.Status)
	}
	wantRefused(t, "another sha256 in a form", b.uploadFiles(t, map[string]string{"name": "wrong", "sha256": strings.Repeat("0", 64)}, map[string][]byte{"m.gguf": []byte("GGUF")}))
	wantRefused(t, "another sha256 by Ollama's way", b.operator.Post("/api/blobs/sha256:"+strings.Repeat("0", 64), "GGUF"))
	for _, metadata := range []string{"name", "name ?", "name YQ==,name YQ==", strings.Repeat("a YQ==,", 1000), ",,,", "name YQ== YQ=="} {
		wantRefused(t, fmt.Sprintf("the metadata %.20q", metadata), b.tus("POST", "/api/uploads", "", "Upload-Length", "4", "Upload-Metadata", metadata))
	}
	for _, length := range []string{"", "-1", "x", "1e3", "99999999999999999999", "9223372036854775807"} {
		wantRefused(t, fmt.Sprintf("the length %q", length), b.tus("POST", "/api/uploads", "", "Upload-Length", length, "Upload-Metadata", metadataOf("name", "a")))
	}
	for _, id := range []string{"x", "u_" + strings.Repeat("a", 26), "..%2f..%2fcorral.db", strings.Repeat("u", 5000), "%00"} {
		wantRefused(t, fmt.Sprintf("the upload %.20q", id), b.tus("PATCH", "/api/uploads/"+id, "x", "Upload-Offset", "0"))
	}
	// A form that says that it is longer than it is, and goes.
	half := "POST /api/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.operator.Key + "\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nhalf\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.gguf\"\r\n\r\nGGUF"
	b.say(t, half)
	// An upload of which half has come is deleted as the model that it would be.
	whole := created("half", 8)
	if got := b.tus("PATCH", whole, "GGUF", "Upload-Offset", "0"); got.Status != 204 {
		t.Errorf("the first half: %d %s", got.Status, got.Body)
	}
	b.purge(t, "half")
	awaitModel(t, b.operator, "half", "is gone", func(m catalogued) bool { return m.Status == "" })
	if got := b.tus("HEAD", whole, ""); got.Status != 404 {
		t.Errorf("the upload of a deleted model is %d", got.Status)
	}
}

// chunked sends a piece without saying how long it is.
func (b *besieged) chunked(t *testing.T, at, content string) {
	t.Helper()
	b.say(t, fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
		at, b.operator.Key, len(content), content))
}

// say sends bytes over a connection of their own, and ends what is sent. It returns when
// the server has ended the connection, or has answered.
func (b *besieged) say(t *testing.T, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", b.controlplane.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(modelLimit)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = conn.Write([]byte(text)) // the server may have heard enough before the end
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return // it had nothing to say to a half
	}
	defer response.Body.Close()
	if response.StatusCode < 400 || response.StatusCode == 500 {
		t.Errorf("status %d to %.40q", response.StatusCode, text)
	}
}

// sendRequests sends what is no request to the routes of a model that is there.
func sendRequests(t *testing.T, b *besieged) {
	if got := b.uploadFiles(t, map[string]string{"name": "good"}, map[string][]byte{"good.gguf": tiny(t, tinymodel.Options{Layers: 1})}); got.Status != 200 {
		t.Fatalf("upload: %d %s", got.Status, got.Body)
	}
	awaitModel(t, b.operator, "good", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	deep := strings.Repeat(`{"hosts":[`, 20_000)
	for _, body := range []string{
		"{", "[]", "null x", `"x"`, "\x00", deep, `{"count":-1}`, `{"count":1e9}`, `{"count":1.5}`, `{"count":"1"}`, `{"count":99999999999999999999}`, `{"hosts":"one"}`, `{"hosts":[1]}`,
		`{"hosts":["nobody"]}`, `{"hosts":[""]}`, `{"hosts":["🦙"]}`, `{"hosts":["one","nobody"]}`, `{"labels":[]}`, `{"labels":{"rack":"none"}}`, `{"labels":{"":""}}`,
		`{"hosts":["` + strings.Repeat("x", 2<<20) + `"]}`,
	} {
		wantRefused(t, fmt.Sprintf("to download %.30q", body), b.operator.Post("/api/models/good/download", body))
	}
	for _, query := range []string{"context=-1", "context=0", "context=x", "context=1e30", "context=99999999999999999999", "parallel=-1", "parallel=0", "parallel=99999999", "hosts=nobody", "hosts=%ff", "hosts=%F0%9F%A6%99"} {
		wantRefused(t, "to ask what fits with "+query, b.operator.Get("/api/models/good/fit?"+query))
	}
	for _, most := range []string{"context=1073741824&parallel=65536", "context=1"} {
		if got := b.operator.Get("/api/models/good/fit?" + most); got.Status != 200 {
			t.Errorf("what fits with %s: %d %s", most, got.Status, got.Body)
		}
	}
	for _, body := range []string{
		"", "{", "[]", deep, `{"pinned":"yes"}`, `{"labels":{"a b":"c"}}`, `{"labels":{"":"c"}}`, `{"labels":{"a":"\u0000"}}`, `{"labels":["a"]}`, `{"description":5}`,
		`{"description":"` + strings.Repeat("x", 3000) + `"}`, `{"labels":{"a":"` + strings.Repeat("x", 300) + `"}}`,
	} {
		wantRefused(t, fmt.Sprintf("to change %.30q", body), b.operator.Do("PATCH", "/api/models/good", body))
	}
	for _, query := range []string{"purge=maybe", "hosts=nobody", "hosts=one,nobody", "hosts=%00"} {
		wantRefused(t, "to delete with "+query, b.operator.Do("DELETE", "/api/models/good?"+query, nil))
	}
	for _, id := range []string{"nothing", "%00", "..%2f..", "good%2f..%2fgood", strings.Repeat("m", 6000), "%F0%9F%A6%99", "%ff"} {
		for _, r := range []struct{ method, path string }{{"GET", ""}, {"GET", "/fit"}, {"PATCH", ""}, {"DELETE", ""}, {"POST", "/download"}, {"POST", "/restore"}} {
			wantRefused(t, fmt.Sprintf("%s %s of %.20q", r.method, r.path, id), b.operator.Do(r.method, "/api/models/"+id+r.path, `{}`))
		}
	}
	for _, path := range []string{"/api/operations/op_none/cancel", "/api/operations/%00/retry", "/api/models/good/restore"} {
		wantRefused(t, path, b.operator.Post(path, nil))
	}
	for _, path := range []string{"/agent/v1/files/default?path=models", "/agent/v1/files/default?path=../../corral.db&expires=9999999999&signature=AAAA", "/agent/v1/plugins/" + strings.Repeat("0", 64) + "?expires=x"} {
		wantRefused(t, path, b.controlplane.As("").Get(path))
	}
	for _, digest := range []string{"sha256:zz", "..%2f..%2fcorral.db", "md5:" + strings.Repeat("0", 32), "sha256:" + strings.Repeat("0", 65)} {
		wantRefused(t, "the blob "+digest, b.operator.Post("/api/blobs/"+digest, "x"))
	}
	for _, files := range []object{{"../m.gguf": "sha256:" + strings.Repeat("0", 64)}, {"/m.gguf": "sha256:" + strings.Repeat("0", 64)}, {"m.gguf": "../../x"}, {"m.gguf": "sha256:" + strings.Repeat("0", 64)}, {"": "x"}} {
		wantRefused(t, fmt.Sprintf("to create of %v", files), b.operator.Post("/api/create", object{"model": "made", "files": files, "stream": false}))
	}
	for _, source := range []string{"", "file:///etc/passwd", "storage://default/../../etc/passwd", "storage://nowhere/m.gguf", "http://", "\x00", strings.Repeat("s", 5000), "default"} {
		wantRefused(t, fmt.Sprintf("the source %.30q", source), b.operator.Post("/api/models", object{"name": "made", "source": source}))
	}
	b.purge(t, "good")
}

// sendFrames sends to the WebSocket what is no model.
func sendFrames(t *testing.T, b *besieged) {
	ws, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+b.controlplane.Address+"/ws", http.Header{"Authorization": {"Bearer " + b.operator.Key}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	defer ws.Close()
	if err := ws.SetReadDeadline(time.Now().Add(modelLimit)); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{
		``, `null`, `[]`, `5`, `{"name":5}`, `{"name":"a"}`, `{"name":"a","size":-1}`, `{"name":"a","size":"1"}`, `{"name":"a","size":1e30}`, `{"name":"a","content":"?"}`, `{"name":"a","content":5}`,
		`{"name":"a","content":"R0dVRg==","size":5}`, `{"name":"a","content":"R0dVRg==","sha256":"x"}`, `{"name":"a","content":"R0dVRg==","sha256":"` + strings.Repeat("0", 64) + `"}`,
		`{"name":"../a","content":"R0dVRg=="}`, `{"name":"a:b:c","size":1}`, `{"name":"` + strings.Repeat("x", 300) + `","size":1}`, `{"name":"a","filename":"..","size":1}`, `{"name":"a","size":1,"hosts":"all"}`,
		`{"name":"a","size":1,"hosts":["nobody"]}`, `{"name":"a","size":1,"storage":"nowhere"}`, `{"name":"a","size":1,"quantize":"; rm"}`, `{"name":"a","size":1,"quantize":"q9_9"}`, `{"name":"a","source":"file:///etc/passwd"}`,
		`{"name":"a","content":"` + strings.Repeat("A", 100_000) + `","size":3}`,
	} {
		frame := `{"event":"upload_model","data":` + data + `,"id":1}`
		if data == "" {
			frame = `{"event":"upload_model","id":1}`
		}
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		var heard struct {
			Type string
			ID   int
			Data json.RawMessage
		}
		for heard.ID == 0 || heard.Type == "model_progress" { // what is pushed comes in between
			heard.ID = 0
			if err := ws.ReadJSON(&heard); err != nil {
				t.Fatalf("%.60s: %v", frame, err)
			}
		}
		var failed struct{ Error string }
		if heard.Type != "error" || json.Unmarshal(heard.Data, &failed) != nil || len(failed.Error) < 8 || strings.Contains(failed.Error, "something went wrong") {
			t.Errorf("%.60s: heard %s %s", frame, heard.Type, heard.Data)
		}
	}
}
