package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// errNotDeclared is that a check says nothing of this plugin.
var errNotDeclared = errors.New("the plugin does not say that it can")

// manyInstances is how many are open at once.
const manyInstances = 20

func configuringChecks() []processCheck {
	return []processCheck{
		{id: "PL-DESCRIBE-003", sentence: "What a plugin says of itself has a kind, a name of lower case letters, digits and dashes, a version, the handshakes that it speaks, and a schema of an object without other fields.", try: describesAll},
		{id: "PL-DESCRIBE-004", sentence: "By hand and without arguments a plugin says what it is, and ends with status 0.", try: saysWhatItIs},
		{id: "PL-CONFIG-002", sentence: "A value of the wrong type is refused, by its field.", try: refusesTypes},
		{id: "PL-CONFIG-003", sentence: "A configuration that is no JSON object is refused.", try: refusesOthers},
		{id: "PL-CONFIG-004", sentence: "A secret that the configuration does not have is refused, by its name.", try: refusesSecrets},
		{id: "PL-CONFIG-005", sentence: "A configuration with faults can't be opened: fault.Invalid.", try: opensNoFaults},
		{id: "PL-CONFIG-006", sentence: "A configuration that was saved for a newer version of the plugin is refused with a sentence, and can't be opened: fault.Invalid.", try: refusesNewer},
		{id: "PL-CONFIG-007", sentence: "Migrate leaves a configuration of the present version as it is, its secrets too, and refuses a newer one: fault.Invalid.", try: migrates},
		{id: "PL-INSTANCE-002", sentence: "That an instance was closed already is no error.", try: closesTwice},
		{id: "PL-INSTANCE-003", sentence: "Many instances may be open at once, and leave nothing open when they are closed.", try: opensMany},
		{id: "PL-INSTANCE-004", kind: storageKind, puts: true, sentence: "An upload and a download that are under way when their instance is closed end early, within five seconds, and the upload is not stored.", try: endsCalls},
		{id: "PL-KEY-001", kind: storageKind, sentence: "What is no key is refused: fault.Invalid.", try: refusesKeys},
		{id: "PL-KEY-002", kind: storageKind, sentence: "What no key can begin with is refused as a prefix: fault.Invalid.", try: refusesPrefixes},
	}
}

// configured returns the configuration with one value more, or another one.
func (s *subject) configured(field string, value any) (host.Configuration, error) {
	values := map[string]any{}
	if len(s.config.JSON) > 0 {
		if err := json.Unmarshal(s.config.JSON, &values); err != nil {
			return host.Configuration{}, err
		}
	}
	values[field] = value
	body, err := json.Marshal(values)
	return host.Configuration{JSON: body, Secrets: s.config.Secrets}, err
}

// wantsFault wants a fault of a field, or of anything where none is named.
func wantsFault(ctx context.Context, p *host.Process, c host.Configuration, field string) error {
	faults, err := p.Check(ctx, c, false)
	switch {
	case field == "" && fault.KindOf(err) == fault.Invalid:
		return nil
	case err != nil:
		return err
	}
	for _, f := range faults {
		if field == "" || f.Field == field {
			return nil
		}
	}
	return fmt.Errorf("it finds %v wrong", faults)
}

func refusesUnknown(ctx context.Context, s *subject) error {
	const unknown = "no_such_field"
	c, err := s.configured(unknown, 1)
	if err != nil {
		return err
	}
	return s.with(ctx, func(p *host.Process, _ instance) error { return wantsFault(ctx, p, c, unknown) })
}

func refusesTypes(ctx context.Context, s *subject) error {
	var schema struct {
		Properties map[string]struct {
			Type      json.RawMessage `json:"type"`
			WriteOnly bool            `json:"writeOnly"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(s.description.Schema, &schema); err != nil {
		return err
	}
	for _, field := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[field]
		if p.WriteOnly || string(p.Type) == `"object"` {
			continue
		}
		c, err := s.configured(field, map[string]any{"not": "a value"})
		if err != nil {
			return err
		}
		return s.with(ctx, func(running *host.Process, _ instance) error { return wantsFault(ctx, running, c, field) })
	}
	return errNotDeclared
}

func refusesOthers(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, _ instance) error {
		for _, body := range []string{"[1]", "7", `"text"`, "{", `{"a":`} {
			if err := wantsFault(ctx, p, host.Configuration{JSON: json.RawMessage(body), Secrets: s.config.Secrets}, ""); err != nil {
				return fmt.Errorf("%s: %w", body, err)
			}
		}
		return nil
	})
}

func refusesSecrets(ctx context.Context, s *subject) error {
	const unknown = "no_such_secret"
	secrets := maps.Clone(s.config.Secrets)
	if secrets == nil {
		secrets = map[string]string{}
	}
	secrets[unknown] = "anything"
	return s.with(ctx, func(p *host.Process, _ instance) error {
		return wantsFault(ctx, p, host.Configuration{JSON: s.config.JSON, Secrets: secrets}, unknown)
	})
}

func opensNoFaults(ctx context.Context, s *subject) error {
	c, err := s.configured("no_such_field", 1)
	if err != nil {
		return err
	}
	return s.with(ctx, func(p *host.Process, _ instance) error {
		if _, err := s.instance(ctx, p, c); fault.KindOf(err) != fault.Invalid {
			return fmt.Errorf("it is opened with %w", errOr(err))
		}
		return nil
	})
}

// newer is the configuration as a later version of the plugin might have had it saved.
func (s *subject) newer() host.Configuration {
	c := s.config
	c.Version = max(1, s.description.ConfigVersion) + 1
	return c
}

func refusesNewer(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, _ instance) error {
		if err := wantsFault(ctx, p, s.newer(), ""); err != nil {
			return err
		}
		_, err := s.instance(ctx, p, s.newer())
		if fault.KindOf(err) != fault.Invalid || fault.MessageOf(err) == "" {
			return fmt.Errorf("it is opened with %w", errOr(err))
		}
		return nil
	})
}

func migrates(ctx context.Context, s *subject) error {
	present := max(1, s.description.ConfigVersion)
	return s.with(ctx, func(p *host.Process, _ instance) error {
		c := s.config
		c.Version = present
		now, err := p.Migrate(ctx, c)
		if err != nil {
			return err
		}
		if now.Version != present || !sameJSON(now.JSON, c.JSON) {
			return fmt.Errorf("of version %d it makes one of version %d, or changes it", present, now.Version)
		}
		if !maps.Equal(now.Secrets, c.Secrets) {
			return fmt.Errorf("of the secrets %q it makes %q", slices.Sorted(maps.Keys(c.Secrets)), slices.Sorted(maps.Keys(now.Secrets)))
		}
		if _, err := p.Migrate(ctx, s.newer()); fault.KindOf(err) != fault.Invalid {
			return fmt.Errorf("it takes a newer one with %w", errOr(err))
		}
		return nil
	})
}

// sameJSON reports whether two configurations set the same; nothing is an empty one.
func sameJSON(a, b json.RawMessage) bool {
	var parsed [2]map[string]any
	for i, body := range []json.RawMessage{a, b} {
		if len(body) > 0 && json.Unmarshal(body, &parsed[i]) != nil {
			return false
		}
		if parsed[i] == nil {
			parsed[i] = map[string]any{}
		}
	}
	return reflect.DeepEqual(parsed[0], parsed[1])
}

func closesTwice(ctx context.Context, s *subject) error {
	return s.with(ctx, func(_ *host.Process, b instance) error {
		return errors.Join(b.CloseInstance(ctx), b.CloseInstance(ctx))
	})
}

func opensMany(ctx context.Context, s *subject) error {
	return s.with(ctx, func(p *host.Process, _ instance) error {
		before := 0
		for round := range 2 { // the first one opens what stays open
			var all []instance
			for range manyInstances {
				b, err := s.instance(ctx, p, s.config)
				if err != nil {
					return err
				}
				all = append(all, b)
			}
			for _, b := range all {
				if err := errors.Join(b.Check(ctx), b.CloseInstance(ctx)); err != nil {
					return err
				}
			}
			if round > 0 {
				return settles(ctx, p.PID(), before)
			}
			var err error
			if before, err = openFiles(p.PID()); err != nil {
				return err
			}
		}
		return nil
	})
}

func refusesKeys(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		var errs []error
		for _, key := range []string{"", "/a", "a/", "a//b", "../x", "a/../b", "a/./b", "a\x00b", "a\nb", storage.Reserved + "/x", string(make([]byte, storage.MaxKeyBytes+1))} {
			_, stat := b.Stat(ctx, key)
			_, get := b.Get(ctx, key, storage.Range{})
			for name, err := range map[string]error{"Stat": stat, "Get": get, "Put": b.Put(ctx, key, storage.Bytes(nil)), "Delete": b.Delete(ctx, key)} {
				if fault.KindOf(err) != fault.Invalid {
					errs = append(errs, fmt.Errorf("%s %.40q: %w", name, key, errOr(err)))
				}
			}
		}
		return errors.Join(errs...)
	})
}

func refusesPrefixes(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		for _, prefix := range []string{"/", "../", "a//", "a\x00"} {
			var last error
			for _, err := range b.List(ctx, prefix) {
				last = err
			}
			if fault.KindOf(last) != fault.Invalid {
				return fmt.Errorf("prefix %q: %w", prefix, errOr(last))
			}
		}
		return nil
	})
}
