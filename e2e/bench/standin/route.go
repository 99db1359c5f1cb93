package standin

import (
	"encoding/json"
	"fmt"

	"github.com/valyala/fasthttp"
)

const (
	jsonType   = "application/json; charset=utf-8"
	ndjsonType = "application/x-ndjson"
	eventType  = "text/event-stream"
)

// route answers one request. Streams end early when stop is closed.
func (s *Server) route(rc *fasthttp.RequestCtx, stop <-chan struct{}) {
	switch string(rc.Path()) {
	case "/":
		rc.SetContentType("text/plain; charset=utf-8")
		rc.SetBodyString("Ollama is running")
	case "/api/version":
		reply(rc, versionBody)
	case "/api/tags":
		reply(rc, tagsBody)
	case "/api/ps":
		reply(rc, psBody(rc.Time()))
	case "/api/show":
		if _, ok := readAsk(rc); ok {
			reply(rc, showBody)
		}
	case "/api/chat":
		s.generate(rc, chat{}, stop)
	case "/api/generate":
		s.generate(rc, completion{}, stop)
	case "/v1/chat/completions":
		s.generate(rc, openai{}, stop)
	default:
		rc.Error("404 page not found", fasthttp.StatusNotFound)
	}
}

// ask is what the stand-in reads of a request's body.
type ask struct {
	Model    string            `json:"model"`
	Name     string            `json:"name"` // what older clients of /api/show send
	Stream   *bool             `json:"stream"`
	Prompt   string            `json:"prompt"`
	Messages []json.RawMessage `json:"messages"`
	Options  struct {
		NumPredict int `json:"num_predict"`
	} `json:"options"`
}

// readAsk decodes a request for the one model. When it reports false, the
// response already holds the error.
func readAsk(rc *fasthttp.RequestCtx) (ask, bool) {
	var a ask
	body := rc.PostBody()
	if len(body) == 0 {
		fail(rc, fasthttp.StatusBadRequest, "missing request body")
		return a, false
	}
	if err := json.Unmarshal(body, &a); err != nil {
		fail(rc, fasthttp.StatusBadRequest, err.Error())
		return a, false
	}
	if a.Model == "" {
		a.Model = a.Name
	}
	if a.Model != Model && a.Model+":latest" != Model {
		fail(rc, fasthttp.StatusNotFound, fmt.Sprintf("model '%s' not found", a.Model))
		return a, false
	}
	return a, true
}

// generate answers in one of the three dialects. A request without a prompt
// only loads the model, as in Ollama.
func (s *Server) generate(rc *fasthttp.RequestCtx, d dialect, stop <-chan struct{}) {
	a, ok := readAsk(rc)
	if !ok {
		return
	}
	ans := s.newAnswer(d, a, rc.Time(), stop)
	stream := d.streams()
	if a.Stream != nil {
		stream = *a.Stream
	}
	switch {
	case len(a.Messages) == 0 && a.Prompt == "":
		reply(rc, d.appendLoaded(nil, a.Model, rc.Time()))
	case stream:
		if s.wheel != nil {
			ans.paced = s.newPaced()
		}
		rc.SetContentType(d.contentType())
		rc.Response.SetBodyStream(ans, -1)
	default:
		if body := ans.whole(); body != nil {
			reply(rc, body)
			return
		}
		fail(rc, fasthttp.StatusServiceUnavailable, "the server is shutting down")
	}
}

func reply(rc *fasthttp.RequestCtx, body []byte) {
	rc.SetContentType(jsonType)
	rc.SetBody(body)
}

func fail(rc *fasthttp.RequestCtx, status int, message string) {
	body, err := json.Marshal(map[string]string{"error": message})
	if err != nil { // a map of strings always encodes
		panic(err)
	}
	reply(rc, body)
	rc.SetStatusCode(status)
}
