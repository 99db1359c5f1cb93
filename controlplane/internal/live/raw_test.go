package live

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

const noHostsMetrics = `{"active_models":0,"total_requests":7,"avg_response_time":1.5,"cpu_usage":0,"memory_usage":0,"active_connections":1,"hosts_reporting":0}`

func TestRawConversation(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.raw()
	for _, step := range [][2]string{
		{`{"event":"get_metrics"}`, `{"type":"metrics_update","data":` + noHostsMetrics + `}`},
		{`{"event":"get_metrics","data":null,"id":null}`, `{"type":"metrics_update","data":` + noHostsMetrics + `}`},
		{`{"event":"get_models","data":{},"id":7}`, `{"type":"models_list","data":[],"id":7}`},
		{`{"event":"get_system_status","id":"a"}`, `{"type":"system_status","data":{"status":"ok","version":"1.2.3","uptime_seconds":0,` +
			`"hosts":{"total":1,"online":1,"degraded":0},"models":{"total":0,"loaded":0},"gpus":{"total":0,"unhealthy":0},"storage":[],"problems":[]},"id":"a"}`},
		{`{"event":"chat_request","data":{"message":"a b","model":"m"},"id":[1]}`, `{"type":"chat_response","data":{"message":"a b","model":"m","tokens":2,"response_time":1,"done":true},"id":[1]}`},
		{`{"event":"unsubscribe","data":{"topics":["metrics_update","models_list"]}}`, `{"type":"subscriptions","data":{"topics":["model_progress"]}}`},
		{`{"event":"subscribe","data":{"topics":["models_list"]},"id":1}`, `{"type":"subscriptions","data":{"topics":["models_list","model_progress"]},"id":1}`},
	} {
		c.say(step[0])
		c.want(step[1])
	}
}

// Whatever goes wrong with an event, the client is told and the connection stays.
func TestRawErrors(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.raw()
	for _, step := range []struct{ frame, event, code, part string }{
		{`{"event":"nonsense","id":3}`, `"nonsense"`, "not_found", "no such event"},
		{`{"event":"upload_model","data":{}}`, `"upload_model"`, "invalid", "size"},
		{`{"event":"chat_request"}`, `"chat_request"`, "invalid", `message`},
		{`{"event":"chat_request","data":{"message":"x"}}`, `"chat_request"`, "invalid", `model`},
		{`{"event":"chat_request","data":{"message":5}}`, `"chat_request"`, "invalid", `message`},
		{`{"event":"chat_request","data":{"message":"x","model":"m","stream":"yes"}}`, `"chat_request"`, "invalid", `stream`},
		{`{"event":"chat_request","data":"x"}`, `"chat_request"`, "invalid", `not an object`},
		{`{"event":"subscribe"}`, `"subscribe"`, "invalid", `topics`},
		{`{"event":"subscribe","data":{"topics":["metrics_update","weather"]}}`, `"subscribe"`, "invalid", `metrics_update`},
		{`{"event":"subscribe","data":{"topics":"metrics_update"}}`, `"subscribe"`, "invalid", `topics`},
		{`{"event":`, `null`, "invalid", "object"},
		{`[]`, `null`, "invalid", "object"},
		{`hello`, `null`, "invalid", "object"},
		{``, `null`, "invalid", "object"},
		{`{}`, `null`, "invalid", "event"},
		{`{"event":""}`, `null`, "invalid", "event"},
		{`{"event":null}`, `null`, "invalid", "event"},
		{`{"event":5}`, `null`, "invalid", "object"},
	} {
		c.say(step.frame)
		got := c.hearFrame()
		if got.Type != "error" || !strings.HasPrefix(string(got.Data), `{"event":`+step.event+`,"code":"`+step.code+`","error":"`) ||
			!strings.Contains(string(got.Data), step.part) {
			t.Errorf("%s: %s %s", step.frame, got.Type, got.Data)
		}
	}
	c.sayBinary(`{"event":"get_metrics"}`)
	if got := c.hearFrame(); got.Type != "error" || !strings.Contains(string(got.Data), "text") {
		t.Errorf("a binary frame: %s %s", got.Type, got.Data)
	}
	c.say(`{"event":5,"id":"x"}`)
	if got := c.hearFrame(); string(got.ID) != `"x"` {
		t.Errorf("a broken frame with an id: %+v", got)
	}
	f.summary.broken.Store(true)
	c.say(`{"event":"get_metrics"}`)
	if got := c.hearFrame(); got.Type != "error" || !strings.Contains(string(got.Data), `"internal"`) || strings.Contains(string(got.Data), "NaN") {
		t.Errorf("what can't be encoded: %s %s", got.Type, got.Data)
	}
	f.summary.broken.Store(false)
	c.say(`{"event":"get_models"}`)
	c.want(`{"type":"models_list","data":[]}`)
}

func TestRawWantsAKey(t *testing.T) {
	f := start(t, echoes, nil)
	c, _, err := f.dial("/ws")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.hearFrame(); got.Type != "error" || !strings.HasPrefix(string(got.Data), `{"event":null,"code":"unauthenticated","error":"this needs a key`) {
		t.Errorf("%s %s", got.Type, got.Data)
	}
	c.wantClosed(edge.ClosePolicy)

	if _, resp, err := f.dial("/ws", "Authorization", "Bearer wrong"); err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong key got %v, %v", resp, err)
	}
	if _, resp, err := f.dial("/k/wrong/ws"); err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong key in the URL got %v, %v", resp, err)
	}
	if _, resp, err := f.dial("/ws", "Origin", "http://evil.example", "Authorization", "Bearer operator"); err == nil || resp.StatusCode != 403 {
		t.Errorf("a foreign page got %v, %v", resp, err)
	}
	if n := f.Connections(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
}

func TestWaysToConnectRaw(t *testing.T) {
	f := start(t, echoes, nil)
	for _, path := range []string{"/ws", "/ws/", "/ws/ws", "/ws/ws/", "/api/ws", "/api/ws/", "/socket.io/", "/k/operator/ws", "/k/operator/ws/"} {
		c, _, err := f.dial(path, "Authorization", "Bearer operator")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got := c.hearFrame(); got.Type != "init" {
			t.Errorf("%s: %+v", path, got)
		}
	}
	c, resp, err := f.dial("/ws", "Subprotocols", "corral.v1", "Subprotocols", "bearer.viewer")
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "corral.v1" {
		t.Errorf("the subprotocol is %q", got)
	}
	c.want(`{"type":"init","message":"Connected to Corral","data":` + initData("read") + `}`)
	c.say(`{"event":"chat_request","data":{"message":"x","model":"m"}}`)
	if got := c.hearFrame(); !strings.HasPrefix(string(got.Data), `{"event":"chat_request","code":"forbidden"`) {
		t.Errorf("a viewer chats: %s", got.Data)
	}
	c.say(`{"event":"get_models"}`)
	c.want(`{"type":"models_list","data":[]}`)
}

func TestKeylessMode(t *testing.T) {
	f := start(t, echoes, nil)
	f.keys.anonymous.Store(uint32(edge.Infer))
	c, _, err := f.dial("/ws")
	if err != nil {
		t.Fatal(err)
	}
	c.want(`{"type":"init","message":"Connected to Corral","data":` + initData("infer") + `}`)
	io, _, err := f.dial("/ws/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	io.hear()
	io.say("40")
	io.hear()
	if got := io.hear(); !strings.HasPrefix(got, `42["init",`+initData("infer")) {
		t.Error(got)
	}
}

func TestPlainRequests(t *testing.T) {
	f := start(t, echoes, nil)
	status, header, body := f.get("/ws")
	if status != 426 || header.Get("Upgrade") != "websocket" || !strings.Contains(body, "WebSocket") {
		t.Errorf("%d %v %s", status, header, body)
	}
	status, _, body = f.get("/socket.io/?EIO=4&transport=polling&t=x")
	if status != 400 || body != `{"code":0,"message":"Transport unknown"}` {
		t.Errorf("%d %s", status, body)
	}
}

func TestRevocationAndShutdown(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.raw()
	close(f.keys.gone)
	c.wantClosed(edge.ClosePolicy)

	f = start(t, echoes, nil)
	c = f.raw()
	f.stop()
	c.wantClosed(edge.CloseRestart)
}

func FuzzParseRaw(f *testing.F) {
	for _, seed := range []string{
		`{"event":"get_metrics"}`, `{"event":"chat_request","data":{"message":"x"},"id":1}`, `{"event":5,"id":"x"}`,
		`{"event":"a","data":null,"id":null}`, `[]`, `null`, `{"event":"\ud800","id":"<"}`, `{"event":`,
	} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, frame []byte, binary bool) {
		r, err := parseRaw(frame, binary)
		if (r.event == "") != (err != nil) || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%q: event %q, %v", frame, r.event, err)
		}
		// The answer is a frame whatever was asked, and echoes the id.
		data, err := encode(failureOf(r.event, fault.New(fault.Invalid, "x")))
		if err != nil {
			t.Fatal(err)
		}
		var answer rawFrame
		if err := json.Unmarshal((rawFraming{}).answer("error", data, r), &answer); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		if answer.Type != "error" || (answer.ID == nil) != (r.id == nil) {
			t.Fatalf("%q is answered with %+v", frame, answer)
		}
	})
}
