package socketio

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// What the reference client and server say, byte by byte.
func TestPacketsOfTheReference(t *testing.T) {
	for text, want := range map[string]Packet{
		`0`:                                 {Type: Connect, Namespace: "/"},
		`0{"token":"secret"}`:               {Type: Connect, Namespace: "/", Data: json.RawMessage(`{"token":"secret"}`)},
		`0/k/crl_x,`:                        {Type: Connect, Namespace: "/k/crl_x"},
		`0/k/crl_x,{"a":1}`:                 {Type: Connect, Namespace: "/k/crl_x", Data: json.RawMessage(`{"a":1}`)},
		`1`:                                 {Type: Disconnect, Namespace: "/"},
		`1/admin,`:                          {Type: Disconnect, Namespace: "/admin"},
		`2["get_metrics"]`:                  {Type: Event, Namespace: "/", Data: json.RawMessage(`["get_metrics"]`)},
		`20["get_metrics",{"a":1}]`:         {Type: Event, Namespace: "/", ID: new(uint64(0)), Data: json.RawMessage(`["get_metrics",{"a":1}]`)},
		`2/admin,456["project:delete",123]`: {Type: Event, Namespace: "/admin", ID: new(uint64(456)), Data: json.RawMessage(`["project:delete",123]`)},
		`313[]`:                             {Type: Ack, Namespace: "/", ID: new(uint64(13)), Data: json.RawMessage(`[]`)},
		`3/admin,456[{"ok":true}]`:          {Type: Ack, Namespace: "/admin", ID: new(uint64(456)), Data: json.RawMessage(`[{"ok":true}]`)},
		`4{"message":"Not authorized"}`:     {Type: ConnectError, Namespace: "/", Data: json.RawMessage(`{"message":"Not authorized"}`)},
		`51-["b",{"_placeholder":true,"num":0}]`: {
			Type: BinaryEvent, Namespace: "/", Attachments: 1,
			Data: json.RawMessage(`["b",{"_placeholder":true,"num":0}]`),
		},
		`52-/admin,7["b",{"_placeholder":true,"num":0}]`: {
			Type: BinaryEvent, Namespace: "/admin", Attachments: 2, ID: new(uint64(7)),
			Data: json.RawMessage(`["b",{"_placeholder":true,"num":0}]`),
		},
		`61-/admin,456[{"_placeholder":true,"num":0}]`: {
			Type: BinaryAck, Namespace: "/admin", Attachments: 1, ID: new(uint64(456)),
			Data: json.RawMessage(`[{"_placeholder":true,"num":0}]`),
		},
	} {
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
		if back := string(got.Append(nil)); back != "4"+text {
			t.Errorf("%s is written as %s", text, back)
		}
	}
}

func TestStrangePacketsAreInvalid(t *testing.T) {
	for _, text := range []string{
		"", "7", "x", "9[]", "\x00", " 2[\"a\"]",
		"2", "2null", "2{}", "2[]", `2[{}]`, `2[null]`, `2[["a"]]`, `2["a"`, `2["a"]]`, `2"a"`, `2[true]`,
		`2["connect"]`, `2["connect_error"]`, `2["disconnect"]`, `2["disconnecting"]`, `2["newListener"]`, `2["removeListener"]`,
		`299999999999999999999["a"]`, `2-1["a"]`, `2/admin["a"]`,
		"0[]", "0null", `0"token"`, "1[]", "1{}",
		"3", "3{}", "4[]", "4null",
		`5["a"]`, `5-["a"]`, `50-["a"]`, `511-["a"]`, `5-1-["a"]`, `51["a"]`, `5 1-["a"]`, `51.0-["a"]`, `51-`, `51-[{"_placeholder":true,"num":0}]`,
		"61-{}", "2" + strings.Repeat("[", 20000),
	} {
		if p, err := Parse([]byte(text)); fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller {
			t.Errorf("%.40q is %+v, %v", text, p, err)
		}
	}
}

func TestEvent(t *testing.T) {
	p, err := Parse([]byte(`2[ "chat_request" , {"message":"hi"} , 7 ]`))
	if err != nil {
		t.Fatal(err)
	}
	name, args, err := p.Event()
	if err != nil || name != "chat_request" || len(args) != 2 || string(args[0]) != `{"message":"hi"}` || string(args[1]) != "7" {
		t.Errorf("%q %s %v", name, args, err)
	}
	if p, err = Parse([]byte(`2[-7]`)); err != nil {
		t.Fatal(err)
	}
	if name, _, _ := p.Event(); name != "-7" {
		t.Errorf("a number as a name is %q", name)
	}
}

func TestEngine(t *testing.T) {
	h := Handshake{SID: "abc", PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, MaxPayloadBytes: 1e6}
	want := `0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if got := string(h.Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if kind, rest, err := ParseEngine([]byte(`42["a"]`)); kind != Message || string(rest) != `2["a"]` || err != nil {
		t.Errorf("%c %s %v", kind, rest, err)
	}
	for _, text := range []string{"", "7", "/", "hello"} {
		if _, _, err := ParseEngine([]byte(text)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAttachments(t *testing.T) {
	d := Decoder{MaxBytes: 100}
	for range 2 { // a decoder goes on after a packet
		if _, ok, err := d.Text([]byte(`52-3["b",{"x":[{"_placeholder":true,"num":1}]},{"num":0,"_placeholder":true}, 1e400]`)); ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, ok, err := d.Binary([]byte{0, 255}); ok || err != nil {
			t.Fatal(ok, err)
		}
		p, ok, err := d.Binary(nil)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		want := Packet{Type: Event, Namespace: "/", ID: new(uint64(3)), Data: json.RawMessage(`["b",{"x":[""]},"AP8=",1e400]`)}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Error(diff)
		}
	}
	p, ok, err := d.Text([]byte(`2["a"]`))
	if !ok || err != nil || p.Type != Event {
		t.Errorf("a plain packet: %+v %v %v", p, ok, err)
	}
}

func TestStrangeAttachments(t *testing.T) {
	run := func(d *Decoder, messages ...string) (err error) {
		for _, m := range messages {
			if err != nil {
				t.Errorf("%.40q: failed before its last message: %v", messages, err)
			}
			if m[0] == 'b' {
				_, _, err = d.Binary([]byte(m[1:]))
			} else {
				_, _, err = d.Text([]byte(m))
			}
		}
		return err
	}
	for _, c := range []struct {
		kind     fault.Kind
		messages []string
	}{
		{fault.Invalid, []string{"b"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":0}]`, `2["a"]`}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":0}]`, "bx", "by"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":1}]`, "bx"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":-1}]`, "bx"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":"0"}]`, "bx"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true}]`, "bx"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":0.5}]`, "bx"}},
		{fault.Invalid, []string{`51-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, "bx"}},
		{fault.TooLarge, []string{`51-["b",{"_placeholder":true,"num":0}]`, "b" + strings.Repeat("x", 101)}},
		{fault.TooLarge, []string{`52-["b"]`, "b" + strings.Repeat("x", 60), "b" + strings.Repeat("x", 60)}},
	} {
		if err := run(&Decoder{MaxBytes: 100}, c.messages...); fault.KindOf(err) != c.kind {
			t.Errorf("%.60q: %v, want %v", c.messages, err, c.kind)
		}
	}
}

func TestArgs(t *testing.T) {
	if got := string(Args("a\"b", json.RawMessage(`{}`), json.RawMessage(`1`))); got != `["a\"b",{},1]` {
		t.Error(got)
	}
	if got := string(List()); got != `[]` {
		t.Error(got)
	}
}

// What parses is written in a way that reads as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`0{"token":"x"}`, `0/k/x,`, `1`, `2["a",{}]`, `27["a"]`, `2/n,0["a"]`, `30[]`, `4{"message":""}`,
		`51-["b",{"_placeholder":true,"num":0}]`, `61-/n,1[{"_placeholder":true,"num":0}]`, `2/n`, `2/,["a"]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		kind, rest, err := ParseEngine(p.Append(nil))
		if err != nil || kind != Message {
			t.Fatalf("%q is written as %q", text, p.Append(nil))
		}
		again, err := Parse(rest)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, rest, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("%q:\n%s", text, diff)
		}
	})
}

// A decoder never yields a packet with attachments or without valid data, and
// its packets are no larger than what came in, in base64.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(`51-["b",{"_placeholder":true,"num":0}]`), []byte("x"), []byte("y"))
	f.Add([]byte(`52-["b",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`), []byte("x"), []byte("y"))
	f.Add([]byte(`61-0[[[{"_placeholder":true,"num":0}]]]`), []byte("x"), []byte(""))
	f.Fuzz(func(t *testing.T, text, first, second []byte) {
		d := Decoder{MaxBytes: 1 << 10}
		p, ok, err := d.Text(bytes.Clone(text))
		for _, part := range [][]byte{first, second} {
			if err != nil || ok {
				break
			}
			p, ok, err = d.Binary(part)
		}
		if !ok || err != nil {
			return
		}
		if p.Attachments != 0 || p.Type.binary() || len(p.Data) > 0 && !json.Valid(p.Data) {
			t.Fatalf("%q yields %+v", text, p)
		}
		if limit := 6*len(text) + 2*(len(first)+len(second)) + 16; len(p.Data) > limit {
			t.Fatalf("%q of %d bytes became %d bytes", text, len(text), len(p.Data))
		}
	})
}
