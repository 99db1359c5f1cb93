package uploadapi

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// startOf reads what an upload begins with from the head of its request.
func startOf(r *edge.Request) (uploads.Start, error) {
	start := uploads.Start{OwnerID: r.Caller.ID}
	if r.Header("Upload-Defer-Length") != "" {
		return start, fault.New(fault.Invalid, "an upload has to say its length when it begins").On(fault.Caller)
	}
	if r.Header("Upload-Concat") != "" {
		return start, fault.New(fault.Invalid, "uploads can't be put together here").On(fault.Caller)
	}
	size, err := number(r, "Upload-Length")
	if err != nil {
		return start, err
	}
	values, err := parseMetadata(r.Header("Upload-Metadata"))
	if err != nil {
		return start, err
	}
	start.Files = []fleet.UploadFile{{Name: values["filename"], SizeBytes: size, SHA256: values["sha256"]}}
	start.Name, start.Description = values["name"], values["description"]
	start.Storage, start.Quantize, start.From = values["storage"], values["quantize"], values["from"]
	start.Hosts, err = hostsOf(values["hosts"])
	return start, err
}

// parseMetadata reads pairs of a key and a value in base64, which may be missing. Keys
// that nobody here knows are fine.
func parseMetadata(text string) (map[string]string, error) {
	values := map[string]string{}
	if strings.TrimSpace(text) == "" {
		return values, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if _, twice := values[key]; err != nil || twice || key == "" {
			return nil, fault.New(fault.Invalid, "the header Upload-Metadata has to be pairs of a key and the base64 of a value, with commas between them and no key twice").On(fault.Caller)
		}
		values[key] = string(value)
	}
	return values, nil
}

// metadataOf is the inverse of parseMetadata, for what is kept of an upload. Of several
// files it has none: a list of them would be too long for a head.
func metadataOf(u *fleet.Upload) string {
	var pairs []string
	var only fleet.UploadFile
	if len(u.Files) == 1 {
		only = u.Files[0]
	}
	for _, p := range [][2]string{
		{"name", u.Name},
		{"filename", only.Name},
		{"description", u.Description},
		{"storage", u.Storage},
		{"hosts", strings.Join(u.Hosts, ",")},
		{"quantize", u.Quantize},
		{"from", u.From},
		{"sha256", only.SHA256},
	} {
		if p[1] != "" {
			pairs = append(pairs, p[0]+" "+base64.StdEncoding.EncodeToString([]byte(p[1])))
		}
	}
	return strings.Join(pairs, ",")
}

// hostsOf reads a list of hosts: JSON, or names with commas between them.
func hostsOf(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") {
		var hosts []string
		if err := json.Unmarshal([]byte(text), &hosts); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the field %q has to be a list of names", "hosts").On(fault.Caller)
		}
		return hosts, nil
	}
	var hosts []string
	for name := range strings.SplitSeq(text, ",") {
		hosts = append(hosts, strings.TrimSpace(name))
	}
	return slices.DeleteFunc(hosts, func(name string) bool { return name == "" }), nil
}
