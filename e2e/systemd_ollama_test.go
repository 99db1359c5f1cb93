package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// ollamaUnit is the unit of the one instance.
const ollamaUnit = "corral-ollama@default"

// TestOllamaUnderSystemd has an agent run a real Ollama as a unit, and does to
// both what operators and accidents do.
func TestOllamaUnderSystemd(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	models := lab.Models()
	m := installEverything(t, models)
	m.Run("cp -r " + models + "/. /var/lib/corral-ollama/models; chown -R corral-ollama: /var/lib/corral-ollama")
	m.join()
	caller := m.caller()
	first := m.awaitInstance("is ready", func(i *client.Instance) bool { return i.State == "ready" && len(i.Models) > 0 })
	if u := first.Unit; first.Mode != "systemd" || u == nil || u.Name != ollamaUnit+".service" || u.ActiveState != "active" || u.SubState != "running" ||
		fmt.Sprint(first.PID) != m.Property(ollamaUnit, "MainPID") || first.Parallel != 1 {
		t.Errorf("the instance is %+v with the unit %+v", first, u)
	}
	if owner := m.Run("stat --format=%U /proc/" + fmt.Sprint(first.PID)); owner != "corral-ollama" {
		t.Errorf("it is run by %s", owner)
	}

	t.Log("a model is brought to it and converted, confined as agent and Ollama are, and what it was made of goes")
	m.bringModel()

	t.Log("an agent that is restarted drains, and Ollama goes on")
	question := endless()
	question["options"] = object{"num_predict": 2000}
	stream := caller.Stream("/api/chat", question)
	stream.AwaitLines(serveLimit, 3)
	m.Run("systemctl restart corral-agent")
	last, err := stream.AwaitEnd(serveLimit)
	var end struct {
		Done      bool
		EvalCount int `json:"eval_count"`
	}
	if jsonErr := json.Unmarshal([]byte(last), &end); err != nil || jsonErr != nil || !end.Done || end.EvalCount != 2000 {
		t.Errorf("the answer ends with %s, %v", last, err)
	}
	m.awaitReady(first.PID)

	t.Log("an agent that is killed leaves it as it is")
	m.Run("systemctl kill --signal=KILL corral-agent")
	m.awaitProperty("corral-agent", "NRestarts", "1")
	m.awaitProperty("corral-agent", "StatusText", "connected to")
	m.awaitReady(first.PID)
	m.mustAnswer()

	t.Log("a restart on request")
	m.askRestart()
	second := m.awaitInstance("is another process", func(i *client.Instance) bool { return i.State == "ready" && i.PID != first.PID })
	if n := len(second.Restarts); n == 0 || second.Restarts[n-1].Cause != "requested" {
		t.Errorf("its restarts are %+v", second.Restarts)
	}

	t.Log("an Ollama that is killed is started by systemd, and its end is on record")
	m.Run("systemctl kill --signal=KILL " + ollamaUnit)
	third := m.awaitInstance("is another process", func(i *client.Instance) bool { return i.State == "ready" && i.PID != second.PID })
	if n := len(third.Restarts); n == 0 || third.Restarts[n-1].Cause != "killed_by_signal" || third.Unit.RestartCount != 1 {
		t.Errorf("its restarts are %+v, those by systemd %d", third.Restarts, third.Unit.RestartCount)
	}
	m.mustAnswer()

	t.Log("one that hangs is restarted")
	m.Run("systemctl kill --kill-who=main --signal=STOP " + ollamaUnit)
	fourth := m.awaitInstance("is another process", func(i *client.Instance) bool { return i.State == "ready" && i.PID != third.PID })
	if n := len(fourth.Restarts); n == 0 || fourth.Restarts[n-1].Cause != "api_unresponsive" {
		t.Errorf("its restarts are %+v", fourth.Restarts)
	}

	t.Log("one that an operator stops stays so until it is asked for")
	m.Run("systemctl stop " + ollamaUnit)
	m.awaitInstance("is stopped", func(i *client.Instance) bool { return i.State == "stopped" && i.Reason == "unit_stopped" })
	m.askRestart()
	m.mustAnswer()

	t.Log("what it prints is what the journal has")
	if log := caller.Get("/api/hosts/" + m.hosts()[0].ID + "/logs?lines=1000"); !strings.Contains(log.Body, "Listening on 127.0.0.1:11434") {
		t.Errorf("its log is %d: %s", log.Status, log.Body)
	}

	t.Log("settings wait for a restart, and say so, and what they cost by Ollama's own count")
	if log := caller.Get("/api/hosts/" + m.hosts()[0].ID + "/logs?lines=1000"); !strings.Contains(log.Body, "KV buffer size =     8.00 MiB") {
		t.Errorf("its log does not say how much memory a context takes: %s", log.Body)
	}
	m.Run("echo CORRAL_AGENT_OLLAMA_NUM_PARALLEL=3 >> /etc/corral/agent.env; systemctl restart corral-agent")
	pending := m.awaitInstance("has settings that wait", func(i *client.Instance) bool { return i.Reason == "settings_pending" })
	if pending.State != "ready" || !strings.Contains(pending.Message, "OLLAMA_NUM_PARALLEL to 3") ||
		!strings.Contains(pending.Message, "the context of "+corraltest.Endless+" would take about 24 MiB instead of 8 MiB") {
		t.Errorf("it is %s: %s", pending.State, pending.Message)
	}
	reloads := m.Run("journalctl --no-pager --output=cat _PID=1 | grep -c '^Reloading' || true")
	m.askRestart()
	m.awaitInstance("has them", func(i *client.Instance) bool { return i.State == "ready" && i.Reason == "" && i.Parallel == 3 })
	if env := m.Run("tr '\\0' '\\n' < /proc/" + m.Property(ollamaUnit, "MainPID") + "/environ"); !strings.Contains(env, "OLLAMA_NUM_PARALLEL=3") {
		t.Errorf("it was started with\n%s", env)
	}
	if now := m.Run("journalctl --no-pager --output=cat _PID=1 | grep -c '^Reloading' || true"); now != reloads {
		t.Errorf("systemd was reloaded for it, %s times then and %s now", reloads, now)
	}

	m.uninstall()
}

// TestForeignOllamaUnderSystemd has an agent with a unit of its own find an Ollama
// that somebody else runs.
func TestForeignOllamaUnderSystemd(t *testing.T) {
	t.Parallel()
	m := installEverything(t)
	m.Run("printf '[Service]\nExecStart=ollama serve\nEnvironment=HOME=/root\n' > /etc/systemd/system/ollama.service; systemctl daemon-reload; systemctl start ollama")
	m.join()
	i := m.awaitInstance("is ready", func(i *client.Instance) bool { return i.State == "ready" })
	if i.Mode != "attached" || m.Property(ollamaUnit, "ActiveState") != "inactive" {
		t.Errorf("it is %s, and the unit of ours %s", i.Mode, m.Property(ollamaUnit, "ActiveState"))
	}
}

// hosts are those of the fleet, of which there is one once it has joined.
func (m *installed) hosts() (hosts []client.Host) {
	m.t.Helper()
	m.caller().Get("/api/hosts").JSON(&hosts)
	return hosts
}

// askRestart restarts the Ollama as an operator does, and wants it to succeed.
func (m *installed) askRestart() {
	m.t.Helper()
	if answer := m.caller().Post("/api/hosts/"+m.hosts()[0].ID+"/ollama/default/restart", nil); answer.Status != http.StatusOK {
		m.t.Errorf("the restart answers %d: %s", answer.Status, answer.Body)
	}
}

// awaitInstance waits until something holds of the host's Ollama.
func (m *installed) awaitInstance(sentence string, holds func(*client.Instance) bool) *client.Instance {
	m.t.Helper()
	var last client.Instance
	corraltest.Await(m.t, 2*serveLimit, "its Ollama "+sentence, func() error {
		hosts := m.hosts()
		if len(hosts) != 1 || hosts[0].State == client.HostDisconnected || len(hosts[0].Instances) != 1 {
			return fmt.Errorf("the hosts are %+v", hosts)
		}
		if last = hosts[0].Instances[0]; !holds(&last) {
			return fmt.Errorf("it is %+v", last)
		}
		return nil
	})
	return &last
}

// awaitReady waits until an agent tells of the Ollama that ran before.
func (m *installed) awaitReady(pid int) {
	m.t.Helper()
	if i := m.awaitInstance("is ready", func(i *client.Instance) bool { return i.State == "ready" }); i.PID != pid {
		m.t.Errorf("it is process %d, and was %d", i.PID, pid)
	}
}

// bringModel uploads a model and has it quantised on the host, whose agent then takes its
// file out of the Ollama's folder.
func (m *installed) bringModel() {
	m.t.Helper()
	file := tiny(m.t, tinymodel.Options{Reply: "I was made smaller."})
	sum := sha256.Sum256(file)
	if answer := uploadForm(m.t, m.caller(), map[string]string{"name": "small:q8", "quantize": "q8_0"}, "small.gguf", file); answer.Status != http.StatusOK {
		m.t.Fatalf("upload: %d %s", answer.Status, answer.Body)
	}
	awaitModel(m.t, m.caller(), "small:q8", "is stored", func(c catalogued) bool { return c.Status == "stored" && c.Progress == nil })
	if answer := m.caller().Post("/api/models/small:q8/download", object{}); answer.Status != http.StatusAccepted {
		m.t.Fatalf("download: %d %s", answer.Status, answer.Body)
	}
	awaitModel(m.t, m.caller(), "small:q8", "is on the host", func(c catalogued) bool { return len(c.Residencies) == 1 && c.Progress == nil })
	blobs := m.Run("ls /var/lib/corral-ollama/models/blobs")
	if strings.Contains(blobs, hex.EncodeToString(sum[:])) {
		m.t.Errorf("what the model was made of is left among\n%s", blobs)
	}
	if answer := m.caller().Post("/api/chat", object{"model": "small:q8", "message": "Hello"}); answer.Status != http.StatusOK {
		m.t.Errorf("it answers with %d: %s", answer.Status, answer.Body)
	}
	if answer := m.caller().Do("DELETE", "/api/models/small:q8?purge=true", nil); answer.Status != http.StatusOK {
		m.t.Fatalf("delete: %d %s", answer.Status, answer.Body)
	}
	awaitModel(m.t, m.caller(), "small:q8", "is gone", func(c catalogued) bool { return c.Status == "" })
}

// mustAnswer chats by the control plane, once the models are known.
func (m *installed) mustAnswer() {
	m.t.Helper()
	m.awaitInstance("is ready", func(i *client.Instance) bool { return i.State == "ready" && len(i.Models) > 0 })
	if answer := m.caller().Post("/api/chat", short()); answer.Status != http.StatusOK {
		m.t.Errorf("a chat is answered with %d: %s", answer.Status, answer.Body)
	}
}

// caller calls the control plane.
func (m *installed) caller() *corraltest.Caller {
	return &corraltest.Caller{T: m.t, URL: "http://127.0.0.1:11435", Key: m.key, HTTP: &http.Client{Transport: m.Transport()}}
}
