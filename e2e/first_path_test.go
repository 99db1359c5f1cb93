package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// serveLimit is how long a host may take from its agent's start until its
// Ollama serves.
const serveLimit = 40 * time.Second

const demoModel = "corral-demo:latest"

// object is a JSON object of which a test looks at some fields.
type object = map[string]any

// TestFirstPath goes the way of somebody who tries the system out: an agent
// joins by a token and over TLS, starts an Ollama, gives it a model, and the
// model answers in every API that there is.
func TestFirstPath(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Args: append(
		corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models")), "--demo-model", "--label", "rack=r1")})
	host := agent.AwaitModel(serveLimit, demoModel)
	if d := cmp.Diff(map[string]string{"rack": "r1"}, host.Labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	caller := controlplane.As(corraltest.Inference)
	t.Run("overview", func(t *testing.T) { overview(t, controlplane.As(corraltest.Viewer)) })
	t.Run("dashboard chat", func(t *testing.T) { dashboardChat(t, caller) })
	t.Run("dashboard stream", func(t *testing.T) { dashboardStream(t, caller) })
	t.Run("native chat", func(t *testing.T) { nativeChat(t, caller) })
	t.Run("openai chat", func(t *testing.T) { openaiChat(t, caller) })
	t.Run("by hand", func(t *testing.T) { byHand(t, controlplane) })
	t.Run("counted", func(t *testing.T) {
		var metrics object
		controlplane.As(corraltest.Viewer).Get("/api/metrics").JSON(&metrics)
		if n, _ := metrics["total_requests"].(float64); n < 4 {
			t.Errorf("%v requests are counted, at least 4 were made", metrics["total_requests"])
		}
		if ms, _ := metrics["avg_response_time"].(float64); ms <= 0 {
			t.Errorf("the mean response time is %v", metrics["avg_response_time"])
		}
	})
}

// overview looks at what a dashboard shows.
func overview(t *testing.T, viewer *corraltest.Caller) {
	var metrics object
	viewer.Get("/api/metrics").JSON(&metrics)
	for _, name := range []string{"active_models", "total_requests", "avg_response_time", "cpu_usage", "memory_usage", "active_connections"} {
		if _, ok := metrics[name].(float64); !ok {
			t.Errorf("%s is %v, want a number", name, metrics[name])
		}
	}
	if metrics["hosts_reporting"] != 1.0 {
		t.Errorf("hosts_reporting is %v, want 1", metrics["hosts_reporting"])
	}
	if used, _ := metrics["memory_usage"].(float64); used <= 0 || used > 100 {
		t.Errorf("memory_usage is %v", metrics["memory_usage"])
	}

	var models []object
	viewer.Get("/api/models").JSON(&models)
	if len(models) != 1 || models[0]["name"] != demoModel {
		t.Fatalf("models: %v", models)
	}
	id, _ := models[0]["id"].(string)
	if size, _ := models[0]["size"].(float64); id == "" || size <= 0 {
		t.Errorf("the model is %v", models[0])
	}
	if progress, told := models[0]["progress"]; !told || progress != nil {
		t.Errorf("progress is %v (%v), want null", progress, told)
	}
	for _, path := range []string{"/api/models/" + id, "/api/models/corral-demo%3Alatest"} {
		var one object
		if viewer.Get(path).JSON(&one); one["id"] != id {
			t.Errorf("%s is %v", path, one)
		}
	}

	var status struct {
		Status   string
		Version  string
		Hosts    struct{ Total, Online, Degraded int }
		Models   struct{ Total, Loaded int }
		Problems []string
	}
	viewer.Get("/api/system/status").JSON(&status)
	if status.Status != "ok" || status.Version == "" || status.Hosts.Total != 1 || status.Hosts.Online != 1 || status.Models.Total != 1 || len(status.Problems) > 0 {
		t.Errorf("status: %+v", status)
	}

	var config object
	viewer.Get("/api/config").JSON(&config)
	if security, _ := config["security"].(object); security["jwt_secret"] != "***" {
		t.Errorf("the secret is shown as %v", security["jwt_secret"])
	}
	for _, section := range []string{"server", "models", "monitoring"} {
		if _, ok := config[section].(object); !ok {
			t.Errorf("the settings have no %s", section)
		}
	}
}

func dashboardChat(t *testing.T, caller *corraltest.Caller) {
	var reply object
	caller.Post("/api/chat", object{"model": demoModel, "message": "Hello?"}).JSON(&reply)
	if reply["message"] != tinymodel.DefaultReply || reply["model"] != demoModel {
		t.Errorf("the reply is %v", reply)
	}
	for _, name := range []string{"tokens", "response_time"} {
		if n, _ := reply[name].(float64); n <= 0 || n != float64(int(n)) {
			t.Errorf("%s is %v", name, reply[name])
		}
	}
}

func dashboardStream(t *testing.T, caller *corraltest.Caller) {
	answer := caller.Post("/api/chat/stream", object{"model": demoModel, "message": "Hello?"})
	if kind := answer.Header.Get("Content-Type"); answer.Status != 200 || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("status %d, %s: %s", answer.Status, kind, answer.Body)
	}
	var text strings.Builder
	events := sseData(answer.Body)
	for i, data := range events {
		var event object
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			t.Fatalf("event %q: %v", data, err)
		}
		piece, _ := event["message"].(string)
		text.WriteString(piece)
		if last := i == len(events)-1; event["done"] != last {
			t.Errorf("event %d of %d is %v", i+1, len(events), event)
		} else if last && (event["tokens"] == nil || event["response_time"] == nil) {
			t.Errorf("the last event is %v", event)
		}
	}
	if text.String() != tinymodel.DefaultReply || len(events) < 5 {
		t.Errorf("%d events say %q", len(events), text.String())
	}
}

// sseData returns the data of each event.
func sseData(body string) []string {
	var all []string
	for line := range strings.Lines(body) {
		if data, ok := strings.CutPrefix(line, "data:"); ok {
			all = append(all, strings.TrimSpace(data))
		}
	}
	return all
}

func nativeChat(t *testing.T, caller *corraltest.Caller) {
	body := object{"model": demoModel, "messages": []object{{"role": "user", "content": "Hello?"}}}
	answer := caller.Post("/api/chat", body)
	var text strings.Builder
	var last struct {
		Message struct{ Content string }
		Done    bool
	}
	lines := 0
	for line := range strings.Lines(answer.Body) {
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Done && lines == 0 {
			t.Fatalf("line %q: %v", line, err)
		}
		text.WriteString(last.Message.Content)
		lines++
	}
	if !last.Done || text.String() != tinymodel.DefaultReply {
		t.Errorf("%d lines say %q, done %v", lines, text.String(), last.Done)
	}
	missing := caller.Post("/api/chat", object{"model": "missing", "messages": []object{{"role": "user", "content": "Hello?"}}})
	if missing.Status != http.StatusNotFound || !strings.Contains(missing.Body, "missing") {
		t.Errorf("a model that is not there: %d %s", missing.Status, missing.Body)
	}
}

func openaiChat(t *testing.T, caller *corraltest.Caller) {
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
	}
	body := object{"model": demoModel, "messages": []object{{"role": "user", "content": "Hello?"}}}
	caller.Post("/v1/chat/completions", body).JSON(&reply)
	if len(reply.Choices) != 1 || reply.Choices[0].Message.Content != tinymodel.DefaultReply {
		t.Errorf("the reply is %+v", reply)
	}
}

// byHand sends what a person types: a request of HTTP/1.0, with the key in the path.
func byHand(t *testing.T, controlplane *corraltest.ControlPlane) {
	conn, err := net.Dial("tcp", controlplane.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /k/%s/api/tags HTTP/1.0\r\n\r\n", controlplane.Key(corraltest.Viewer))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var tags struct{ Models []struct{ Name string } }
	if err := json.NewDecoder(response.Body).Decode(&tags); err != nil || len(tags.Models) != 1 || tags.Models[0].Name != demoModel {
		t.Errorf("status %d, %+v, %v", response.StatusCode, tags, err)
	}
}
