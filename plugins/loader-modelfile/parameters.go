package main

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// parametersOf returns what the instructions set, as Ollama keeps it, "" for nothing, and
// the names of those that it has given up.
func parametersOf(all []instruction) (text string, ignored []string, err error) {
	set := map[string]any{}
	var stops []string
	for _, one := range all {
		if one.name != "PARAMETER" {
			continue
		}
		value, err := valueOf(one)
		switch {
		case err != nil:
			return "", nil, err
		case one.about == "stop":
			stops = append(stops, one.value)
			set["stop"] = stops
		case value == nil:
			ignored = append(ignored, one.about)
		default:
			set[one.about] = value
		}
	}
	if len(set) == 0 {
		return "", ignored, nil
	}
	text, err = encoded(set)
	return text, ignored, err
}

// encoded is a value as JSON that people can read: marks such as <|end|> are what it is
// of.
func encoded(v any) (string, error) {
	var text strings.Builder
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	err := out.Encode(v)
	return strings.TrimSpace(text.String()), err
}

// valueOf returns the value of a parameter, nil for one that Ollama has given up.
func valueOf(one instruction) (value any, err error) {
	switch one.about {
	case "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread":
		value, err = strconv.ParseInt(one.value, 10, 64)
	case "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty":
		var f float64
		f, err = strconv.ParseFloat(one.value, 32)
		value = json.Number(strconv.FormatFloat(f, 'g', -1, 32))
		if f != f || f-f != 0 { // which JSON does not have
			err = strconv.ErrRange
		}
	case "use_mmap":
		value, err = strconv.ParseBool(one.value)
	case "stop":
		return one.value, nil
	case "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "mirostat", "mirostat_tau", "mirostat_eta", "numa", "tfs_z":
		return nil, nil //nolint:nilnil // it is none
	default:
		return nil, fault.New(fault.Invalid, "line %d of the Modelfile: there is no parameter %.40q", one.line, one.about)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "line %d of the Modelfile: %.40q is no value for %s", one.line, one.value, one.about)
	}
	return value, nil
}
