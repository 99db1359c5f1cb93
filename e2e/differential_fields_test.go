package e2e

import "fmt"

// pixel is a PNG of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// brief has an answer end soon, and be the same each time.
const brief = `"options":{"num_predict":6,"temperature":0,"seed":1}`

const lookTool = `{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{"at":{"type":"string"}},"required":["at"]}}}`

// fields are requests with every field that clients send beside the model and
// what it is asked, right ones and wrong ones. What a tiny model cannot do, the
// real one refuses in its own words.
func fields() []question {
	var questions []question
	for _, stream := range []string{"", `,"stream":false`} {
		for _, field := range generateFields() {
			questions = append(questions, postText("/api/generate", `{"model":"hello","prompt":"Hi",`+field+stream+`}`))
		}
		for _, field := range append(commonFields(), `"tools":[`+lookTool+`]`, `"tools":[]`, `"tools":"look"`, `"tools":[{"type":"function","function":5}]`) {
			questions = append(questions, postText("/api/chat", `{"model":"hello","messages":[{"role":"user","content":"Hi"}],`+field+stream+`}`))
		}
		for _, messages := range chatMessages() {
			questions = append(questions, postText("/api/chat", `{"model":"hello",`+brief+`,"messages":[`+messages+`]`+stream+`}`))
		}
	}
	for _, field := range []string{
		`"input":"Hi","dimensions":8`, `"input":"Hi","dimensions":"8"`, `"input":[]`, `"input":["Hi",5]`, `"input":""`, `"input":"Hi","keep_alive":"soon"`,
		`"input":"Hi","options":{"num_ctx":"many"}`, `"input":"Hi","unknown":{}`,
	} {
		questions = append(questions, postText("/api/embed", `{"model":"hello",`+field+`}`), postText("/v1/embeddings", `{"model":"hello",`+field+`}`))
	}
	questions = append(questions, imitatedFields()...)
	return append(questions, nobodyHas()...)
}

// commonFields are those of both of Ollama's own routes for answers.
func commonFields() []string {
	all := []string{
		`"options":{"temperature":"hot"}`, `"options":{"num_predict":6,"nonsense":1,"temperature":0}`, `"options":[]`,
		`"options":{"num_predict":6,"stop":["found"],"temperature":0}`, `"options":{"num_predict":-2}`,
	}
	for _, field := range []string{
		`"format":"json"`, `"format":"xml"`, `"format":""`, `"format":null`, `"format":5`,
		`"format":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, `"format":{"type":5}`,
		`"think":true`, `"think":false`, `"think":null`, `"think":"high"`, `"think":"loud"`, `"think":5`,
		`"logprobs":true`, `"logprobs":true,"top_logprobs":2`, `"top_logprobs":50`, `"logprobs":true,"top_logprobs":-1`, `"logprobs":"yes"`,
		`"keep_alive":"soon"`, `"keep_alive":"10m"`, `"keep_alive":[]`, `"truncate":false`, `"shift":false`,
		`"unknown":{"x":[1,{"y":null}],"é":"\u00e9"}`, `"MODEL":"hello"`, `"_debug_render_only":true`,
	} {
		all = append(all, field+","+brief)
	}
	return all
}

func generateFields() []string {
	all := commonFields()
	for _, field := range []string{
		`"images":["` + pixel + `"]`, `"images":["!"]`, `"images":[]`, `"images":"x"`,
		`"raw":true`, `"raw":true,"system":"Be brief."`, `"raw":true,"context":[1,2]`, `"raw":"yes"`,
		`"suffix":"the end"`, `"context":[3,4,5]`, `"context":"x"`, `"context":[1e9]`,
		`"system":"Be brief."`, `"template":"{{ .Prompt }}"`, `"template":"{{ .Nope"`, `"template":"{{ .Nope }}"`,
	} {
		all = append(all, field+","+brief)
	}
	return all
}

// chatMessages are the contents of lists of messages.
func chatMessages() []string {
	const user = `{"role":"user","content":"Hi"}`
	return []string{
		`{"role":"system","content":"Be brief."},` + user,
		`{"role":"user","content":"Hi","images":["` + pixel + `"]}`,
		`{"role":"user","content":"Hi","images":["!"]}`,
		`{"role":"user","content":["Hi"]}`,
		`{"role":"nobody","content":"Hi"}`,
		`{"content":"Hi"}`,
		user + `,{"role":"assistant","content":"","tool_calls":[{"function":{"name":"look","arguments":{"at":"it"}}}]},{"role":"tool","tool_name":"look","content":"it is there"}`,
		user + `,{"role":"assistant","content":"","tool_calls":[{"function":{"name":"look","arguments":"at"}}]}`,
		user + `,{"role":"assistant","thinking":"Hm.","content":"Hello from"}`,
		`"Hi"`, `null`,
	}
}

// imitatedFields are requests of OpenAI's and Anthropic's APIs.
func imitatedFields() []question {
	var questions []question
	add := func(path, needed string, fields ...string) {
		for _, stream := range []string{"", `,"stream":true`} {
			for _, field := range fields {
				questions = append(questions, postText(path, `{"model":"hello",`+needed+field+stream+`}`))
			}
		}
	}
	const image = `{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pixel + `"}}`
	add("/v1/chat/completions", `"max_tokens":6,"temperature":0,"seed":1,`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},`+image+`]}]`,
		`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}]}]`,
		`"messages":[{"role":"user","content":5}]`,
		`"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"there"}]`,
		`"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{"}}]}]`,
	)
	add("/v1/chat/completions", `"messages":[{"role":"user","content":"Hi"}],"max_tokens":6,"temperature":0,"seed":1,`,
		`"tools":[`+lookTool+`]`, `"tools":[`+lookTool+`],"tool_choice":"none"`, `"response_format":{"type":"json_object"}`,
		`"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}`,
		`"response_format":{"type":"xml"}`, `"response_format":"json"`, `"reasoning_effort":"high"`, `"reasoning_effort":"loud"`, `"reasoning_effort":"none"`,
		`"logprobs":true`, `"logprobs":true,"top_logprobs":2`, `"top_logprobs":50`, `"stop":"found"`, `"stop":["found",5]`, `"stop":5`,
		`"n":2`, `"user":"me","metadata":{"a":"b"},"unknown":[null]`, `"stream_options":{"include_usage":true}`, `"frequency_penalty":"much"`, `"top_p":0.5`,
	)
	add("/v1/completions", `"max_tokens":6,"temperature":0,"seed":1,`,
		`"prompt":"Hi","suffix":"the end"`, `"prompt":["Hi"]`, `"prompt":5`, `"prompt":"Hi","echo":true`, `"prompt":"Hi","logprobs":2`,
		`"prompt":"Hi","stop":"found"`, `"prompt":"Hi","stop":5`, `"prompt":"Hi","stream_options":{"include_usage":true}`, `"prompt":"Hi","unknown":{}`,
	)
	add("/v1/responses", `"max_output_tokens":6,"temperature":0,`,
		`"input":"Hi","instructions":"Be brief."`, `"input":"Hi","tools":[{"type":"function","name":"look","parameters":{"type":"object"}}]`,
		`"input":"Hi","text":{"format":{"type":"json_schema","name":"a","schema":{"type":"object"}}}`, `"input":"Hi","text":{"format":{"type":"xml"}}`,
		`"input":"Hi","reasoning":{"effort":"high"}`, `"input":"Hi","previous_response_id":"resp_1"`, `"input":"Hi","unknown":1`, `"input":5`, `"input":[]`,
		`"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}]`,
		`"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,`+pixel+`"}]}]`,
		`"input":[{"type":"function_call","call_id":"call_1","name":"look","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"there"}]`,
	)
	add("/v1/messages", `"max_tokens":6,"temperature":0,`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+pixel+`"}}]}]`,
		`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/x.png"}}]}]`,
		`"messages":[{"role":"user","content":5}]`,
		`"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"look","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"there"}]}]`,
	)
	add("/v1/messages", `"messages":[{"role":"user","content":"Hi"}],"temperature":0,`,
		`"max_tokens":6,"system":"Be brief."`, `"max_tokens":6,"system":[{"type":"text","text":"Be brief."}]`, `"max_tokens":6,"system":5`,
		`"max_tokens":6,"tools":[{"name":"look","input_schema":{"type":"object"}}]`, `"max_tokens":6,"thinking":{"type":"enabled","budget_tokens":1024}`,
		`"max_tokens":6,"thinking":{"type":"disabled"}`, `"max_tokens":6,"stop_sequences":["found"]`, `"max_tokens":6,"top_k":1,"metadata":{"user_id":"me"},"unknown":[]`,
		`"max_tokens":0`, `"max_tokens":-1`, `"max_tokens":"six"`,
	)
	return questions
}

// nobodyHas are requests for a model that no host has, whole and in pieces.
func nobodyHas() []question {
	var questions []question
	for path, needed := range map[string]string{
		"/api/generate":        `"prompt":"Hi","images":["` + pixel + `"]`,
		"/api/chat":            `"messages":[{"role":"user","content":"Hi"}],"tools":[` + lookTool + `],"think":true`,
		"/v1/chat/completions": `"messages":[{"role":"user","content":"Hi"}],"tools":[` + lookTool + `]`,
		"/v1/completions":      `"prompt":"Hi","suffix":"the end"`,
		"/v1/responses":        `"input":"Hi"`,
		"/v1/messages":         `"max_tokens":6,"messages":[{"role":"user","content":"Hi"}]`,
	} {
		for _, stream := range []bool{false, true} {
			for _, name := range []string{"nope", "nope:7b", "some/nope", "registry.example.com/some/nope:x"} {
				questions = append(questions, postText(path, fmt.Sprintf(`{"model":%q,%s,"stream":%t}`, name, needed, stream)))
			}
		}
	}
	return questions
}
