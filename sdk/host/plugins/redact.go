package plugins

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Bounds of what is looked for: what is shorter would be found in harmless words.
const (
	minSecretBytes = 4
	minLineBytes   = 16 // of a line of a secret that has several
	recentChecks   = 64
)

// redacted stands in a secret's place.
const redacted = "[redacted]"

// redactor knows the secrets of a plugin's instances, and takes them out of what the
// plugin says.
type redactor struct {
	mu     sync.RWMutex
	count  map[string]int // by what is looked for
	recent []map[string]string
	all    *strings.Replacer
}

func newRedactor() *redactor {
	return &redactor{count: map[string]int{}, all: strings.NewReplacer()}
}

// add has secrets be looked for until they are removed.
func (r *redactor) add(secrets map[string]string) { r.change(secrets, 1) }

func (r *redactor) remove(secrets map[string]string) { r.change(secrets, -1) }

// addForAWhile has secrets be looked for until many more have come.
func (r *redactor) addForAWhile(secrets map[string]string) {
	secrets = maps.Clone(secrets)
	r.add(secrets)
	r.mu.Lock()
	r.recent = append(r.recent, secrets)
	var old map[string]string
	if len(r.recent) > recentChecks {
		old, r.recent = r.recent[0], r.recent[1:]
	}
	r.mu.Unlock()
	r.remove(old)
}

func (r *redactor) change(secrets map[string]string, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range secrets {
		for form := range formsOf(secret) {
			if r.count[form] += by; r.count[form] == 0 {
				delete(r.count, form)
			}
		}
	}
	// Of two that begin alike the longer one has to come first.
	longest := func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }
	var pairs []string
	for _, form := range slices.SortedFunc(maps.Keys(r.count), longest) {
		pairs = append(pairs, form, redacted)
	}
	r.all = strings.NewReplacer(pairs...)
}

// formsOf returns how a secret may stand in a text.
func formsOf(secret string) map[string]bool {
	forms := map[string]bool{}
	if len(secret) < minSecretBytes {
		return forms
	}
	parts := []string{secret}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= minLineBytes {
			parts = append(parts, line)
		}
	}
	for _, part := range parts {
		forms[part], forms[url.QueryEscape(part)], forms[url.PathEscape(part)] = true, true, true
		if quoted, err := json.Marshal(part); err == nil {
			forms[string(quoted[1:len(quoted)-1])] = true
		}
	}
	return forms
}

// text returns a text without the secrets.
func (r *redactor) text(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all.Replace(s)
}

// line returns a line without the secrets. One that was cut may end within one.
func (r *redactor) line(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s = r.all.Replace(s)
	for form := range r.count {
		for n := len(form) - 1; n >= minSecretBytes; n-- {
			if before, cut := strings.CutSuffix(s, form[:n]); cut && len(s) >= longLine {
				return before + redacted
			}
		}
	}
	return s
}

// longLine is how long a line is at least that may have been cut.
const longLine = 8 << 10

// error returns an error without the secrets, of the same kind and side.
func (r *redactor) error(err error) error {
	if err == nil || r.text(err.Error()) == err.Error() {
		return err
	}
	clean := &fault.Error{Kind: fault.KindOf(err), Side: fault.SideOf(err), RetryAfter: fault.RetryAfterOf(err), Message: r.text(fault.MessageOf(err))}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Cause != nil {
		clean.Cause = errors.New(r.text(e.Cause.Error()))
	}
	return clean
}
