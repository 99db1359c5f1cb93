package live

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

const ioPath = "/ws/?EIO=4&transport=websocket"

var (
	openPacket    = regexp.MustCompile(`^0\{"sid":"[A-Z0-9]{20,}","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$`)
	connectPacket = regexp.MustCompile(`^40(/k/operator/?,)?\{"sid":"[A-Z0-9]{20,}"\}$`)
)

// io connects without a key and takes the handshake.
func (f *fixture) io() *client {
	f.t.Helper()
	c, _, err := f.dial(ioPath)
	if err != nil {
		f.t.Fatal(err)
	}
	if got := c.hear(); !openPacket.MatchString(got) && f.pace.ping == patient().ping {
		f.t.Fatalf("the handshake is %s", got)
	}
	return c
}

// joined connects, joins a namespace and takes the greeting.
func (f *fixture) joined(connect string) *client {
	f.t.Helper()
	c := f.io()
	c.say(connect)
	if got := c.hear(); !connectPacket.MatchString(got) {
		f.t.Fatalf("joined with %s", got)
	}
	if got := c.hear(); !strings.HasSuffix(got, `["init",`+initData("operate")+`,{"message":"Connected to Corral"}]`) {
		f.t.Fatalf("greeted with %s", got)
	}
	return c
}

func TestSocketIOConversation(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.joined(`40{"token":"operator"}`)
	answer := `{"message":"a","model":"m","tokens":1,"response_time":1,"done":true}`
	for _, step := range [][2]string{
		{`42["get_metrics"]`, `42["metrics_update",` + noHostsMetrics + `]`},
		{`420["get_metrics",null]`, `430[` + noHostsMetrics + `]`},
		{`42["get_models",{},"more"]`, `42["models_list",[]]`},
		{`427["get_models"]`, `437[[]]`},
		{`42["chat_request",{"message":"a","model":"m"}]`, `42["chat_response",` + answer + `]`},
		{`421["chat_request",{"message":"a","model":"m"}]`, `431[` + answer + `]`},
		{`422["subscribe",{"topics":["models_list"]}]`, `432[{"topics":["metrics_update","models_list","model_progress"]}]`},
		{`42[5]`, `42["error",{"event":"5","code":"not_found","error":"there is no such event"}]`},
		{`423["nonsense"]`, `433[{"event":"nonsense","code":"not_found","error":"there is no such event"}]`},
		{`42["chat_request","x"]`, `42["error",{"event":"chat_request","code":"invalid","error":"the data of the event is not an object"}]`},
	} {
		c.say(step[0])
		c.want(step[1])
	}
	c.say(`431["an answer to nothing"]`)
	c.say(`461-[{"_placeholder":true,"num":0}]`)
	c.sayBinary("x")
	c.say(`451-9["upload_model",{"name":"x","content":{"_placeholder":true,"num":0}}]`)
	c.sayBinary("GGUF")
	if got := c.hear(); !strings.HasPrefix(got, `439[{"event":"upload_model","code":"no_space"`) {
		t.Error(got)
	}
	c.say(`6`) // noop
	c.say(`41`)
	c.wantClosed(edge.CloseNormal)
}

func TestSocketIONamespaceWithAKey(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.metrics = 20 * time.Millisecond })
	c := f.joined(`40/k/operator,`)
	c.say(`42/k/operator,5["get_models"]`)
	pushed := false
	for {
		got := c.hear()
		pushed = pushed || strings.HasPrefix(got, `42/k/operator,["metrics_update",{`)
		if got == `43/k/operator,5[[]]` {
			break
		}
	}
	for !pushed {
		pushed = strings.HasPrefix(c.hear(), `42/k/operator,["metrics_update",{`)
	}
	f.joined(`40/k/operator/,`)
}

func TestSocketIORefusals(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.io()
	for _, step := range []struct{ connect, prefix, code string }{
		{`40`, "44", "unauthenticated"},
		{`40{}`, "44", "unauthenticated"},
		{`40{"token":""}`, "44", "unauthenticated"},
		{`40{"token":null}`, "44", "unauthenticated"},
		{`40{"token":"wrong"}`, "44", "unauthenticated"},
		{`40{"token":5}`, "44", "invalid"},
		{`40{"token":"busy"}`, "44", "rate_limited"},
		{`40/k/wrong,`, "44/k/wrong,", "unauthenticated"},
		{`40/admin,{"token":"operator"}`, "44/admin,", "not_found"},
		{`40/k/operator/ws,`, "44/k/operator/ws,", "not_found"},
		{`40/k/,`, "44/k/,", "not_found"},
	} {
		c.say(step.connect)
		got := c.hear()
		data, ok := strings.CutPrefix(got, step.prefix)
		var refusal struct {
			Message string
			Data    failure
		}
		if err := json.Unmarshal([]byte(data), &refusal); err != nil || !ok {
			t.Fatalf("%s: %s", step.connect, got)
		}
		if refusal.Message == "" || refusal.Data.Code != step.code || refusal.Data.Error != refusal.Message {
			t.Errorf("%s: %s", step.connect, got)
		}
	}
	if n := f.Connections(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
	c.say(`40{"token":"viewer"}`) // and at last a good one
	if got := c.hear(); !strings.HasPrefix(got, `40{"sid"`) {
		t.Error(got)
	}
}

// What the reference server answers by ending the connection.
func TestSocketIOEndsStrangeConversations(t *testing.T) {
	f := start(t, echoes, nil)
	for _, text := range []string{"", "x", "7", "2", "4", "49", `42["get_metrics"]`, "41", "43[]", "44", `40[]`, `450-["a"]`, "b"} {
		c := f.io()
		c.sayAny(text)
		c.wantClosed(edge.ClosePolicy)
	}
	for _, text := range []string{"2probe", "hello", "40", `40{"token":"operator"}`, "44", `42/admin,["a"]`, `42["connect"]`, `42{}`, "b", `451-["a"]|42["get_metrics"]`, `451-["a",{"_placeholder":true,"num":7}]|b`} {
		c := f.joined(`40{"token":"operator"}`)
		for part := range strings.SplitSeq(text, "|") {
			c.sayAny(part)
		}
		c.wantClosed(edge.ClosePolicy)
	}
	for _, path := range []string{"/ws?EIO=3&transport=websocket", "/ws?EIO=4&transport=websocket&sid=abc"} {
		c, _, err := f.dial(path)
		if err != nil {
			t.Fatal(err)
		}
		c.wantClosed(edge.ClosePolicy)
	}
	c := f.io()
	c.say("1")
	c.wantClosed(edge.CloseNormal)
}

// sayAny writes a text message, or a binary one for "b".
func (c *client) sayAny(text string) {
	c.t.Helper()
	if text == "b" {
		c.sayBinary(text)
	} else {
		c.say(text)
	}
}

func TestSocketIOHeartbeat(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.ping, p.pong = 20*time.Millisecond, time.Hour })
	c := f.joined(`40{"token":"operator"}`)
	for range 3 {
		c.want("2")
		c.say("3")
	}

	f = start(t, echoes, func(p *pace) { p.ping, p.pong = 20*time.Millisecond, 20*time.Millisecond })
	c = f.joined(`40{"token":"operator"}`)
	c.want("2")
	c.wantClosed(edge.ClosePolicy)

	f = start(t, echoes, func(p *pace) { p.greeting = 20 * time.Millisecond })
	f.io().wantClosed(edge.ClosePolicy)
}

// A key that was shown only in the namespace's packet ends its connection too,
// together with what it asked for.
func TestSocketIORevocation(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{}, 1)
	f := start(t, hangs(asked, ended), nil)
	c := f.joined(`40{"token":"operator"}`)
	c.say(`42["chat_request",{"message":"a","model":"m"}]`)
	await(t, asked, "the question")
	close(f.keys.gone)
	await(t, ended, "the end of the question")
	c.wantClosed(edge.ClosePolicy)
}

func TestSocketIOByWhatTheUpgradeProved(t *testing.T) {
	f := start(t, echoes, nil)
	c, _, err := f.dial("/k/operator" + ioPath)
	if err != nil {
		t.Fatal(err)
	}
	c.hear()
	c.say("40")
	if got := c.hear(); !connectPacket.MatchString(got) {
		t.Error(got)
	}
	if _, resp, err := f.dial("/k/wrong" + ioPath); err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong key got %v, %v", resp, err)
	}
}

// A ticket is good once, and a client of Socket.IO comes again by itself.
func TestATicketOpensRawWebSocketsAlone(t *testing.T) {
	f := start(t, echoes, nil)
	for _, path := range []string{"/ws", "/ws/ws", "/api/ws", "/socket.io", "/api/metrics/realtime"} {
		c, _, err := f.dial(path + "?ticket=good")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got := c.hearFrame().Type; got != "init" && got != "metrics_update" {
			t.Errorf("%s begins with %q", path, got)
		}
	}
	c, _, err := f.dial(ioPath + "&ticket=good")
	if err != nil {
		t.Fatal(err)
	}
	c.wantClosed(edge.ClosePolicy)
}
