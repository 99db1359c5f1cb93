package settings

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// saved is what the API changed, by the path of the field, secrets in the
// clear. Only what was changed is in it, so that a dashboard that posts
// everything back does not freeze what the file says of the rest. A path that
// this version does not know is kept: a newer one that ran before, and may run
// again, does.
type saved map[string]json.RawMessage

func parseSaved(stored []byte) (saved, error) {
	s := saved{}
	if len(stored) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the saved settings cannot be read")
	}
	return s, nil
}

// with returns a copy in which the fields at these paths have the values of app.
func (s saved) with(app *AppConfig, paths []string) (saved, error) {
	next := maps.Clone(s)
	fields := map[string]config.Field{}
	for _, f := range config.Fields(app) {
		fields[f.Path] = f
	}
	for _, path := range paths {
		value := fields[path].Value()
		if secret, ok := value.(config.Secret); ok {
			value = secret.Reveal()
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		next[path] = encoded
	}
	return next, nil
}

// apply sets the fields that were saved and that nothing pins, and records
// their origin.
func (s saved) apply(app *AppConfig, origins config.Origins) ([]config.Fault, error) {
	body := map[string]map[string]json.RawMessage{}
	origin := config.Origin{Layer: config.Saved}
	for _, f := range config.Fields(app) {
		value, ok := s[f.Path]
		if !ok || origins.Of(f.Path).Pinned() {
			continue
		}
		section, key, _ := strings.Cut(f.Path, ".")
		if body[section] == nil {
			body[section] = map[string]json.RawMessage{}
		}
		body[section][key] = value
		origins[f.Path] = origin
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	_, faults := config.MergeJSON(app, encoded)
	for i := range faults {
		faults[i].Origin = origin
	}
	return faults, nil
}
