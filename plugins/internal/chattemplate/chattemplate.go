// Package chattemplate finds the template of a chat, as Ollama writes it, for the one
// that a model's files have, which is in Jinja.
//
// Ollama looks for it in /api/create alone: a model that comes to it from a registry
// without a template is told what somebody says as it is, and does not answer. So who
// makes such a model has to bring the template along.
package chattemplate

import (
	"embed"
	"encoding/json"
	"strings"
)

// Those in ollama/ are Ollama's own, with the templates in Jinja that it knows them by;
// their licence is beside them. They are the same in 0.17.4 and 0.34.2.
//
//go:embed ollama families
var files embed.FS

// Template is one that Ollama can take.
type Template struct {
	Name string // such as chatml
	Text string
	// Parameters go with it, a JSON object: what ends an answer. nil is none.
	Parameters json.RawMessage
	// Known says that Ollama would have found it as well. Otherwise it was found by the
	// marks in the one in Jinja, which may do more than this does.
	Known bool
}

// Tools reports whether a model with the template is told of tools.
func (t Template) Tools() bool { return strings.Contains(t.Text, ".Tools") }

// Thinking reports whether a model with the template may think first.
func (t Template) Thinking() bool { return strings.Contains(t.Text, ".Thinking") }

// Find returns the template for one in Jinja, and false where none is known.
func Find(jinja string) (Template, bool) {
	if jinja == "" {
		return Template{}, false
	}
	if name, ok := closest(jinja); ok {
		t := load("ollama", name)
		t.Known = true
		return t, true
	}
	folder, name := byMarks(jinja)
	if name == "" {
		return Template{}, false
	}
	return load(folder, name), true
}

// byMarks tells a template by what it puts around a turn.
func byMarks(jinja string) (folder, name string) {
	has := func(marks ...string) bool {
		for _, m := range marks {
			if !strings.Contains(jinja, m) {
				return false
			}
		}
		return true
	}
	switch {
	case has("<|im_start|>", "<think>"):
		return "families", "chatml-thinking"
	case has("<|im_start|>", "<tool_call>"):
		return "families", "chatml-tools"
	case has("<|im_start|>"):
		return "ollama", "chatml"
	case has("<|start_header_id|>"):
		return "ollama", "llama3-instruct"
	case has("<start_of_turn>"):
		return "ollama", "gemma3-instruct"
	case has("<|START_OF_TURN_TOKEN|>"):
		return "ollama", "command-r"
	case has("<<SYS>>"):
		return "ollama", "llama2-chat"
	case has("[INST]"):
		return "ollama", "mistral-instruct"
	case has("<｜User｜>", "<think>"):
		return "families", "deepseek-thinking"
	case has("<｜User｜>"):
		return "families", "deepseek"
	case has("<|start_of_role|>"):
		return "families", "granite"
	case has("<|start|>", "<|channel|>"):
		return "families", "harmony"
	case has("<|user|>", "<|end|>"):
		return "ollama", "phi-3"
	case has("<|user|>", "<|assistant|>"):
		return "ollama", "zephyr"
	}
	return "", ""
}

// load returns a template that is part of the program.
func load(folder, name string) Template {
	text, err := files.ReadFile(folder + "/" + name + ".gotmpl")
	if err != nil { // a test reads them all
		panic(err)
	}
	t := Template{Name: name, Text: strings.ReplaceAll(string(text), "\r\n", "\n")}
	if parameters, err := files.ReadFile(folder + "/" + name + ".json"); err == nil {
		t.Parameters = parameters
	}
	return t
}
