package limits

import (
	"cmp"
	"slices"
	"strings"
)

// rule says what becomes of a field.
type rule struct {
	name  string
	value string // takes the place of a value that does not fit
	added bool   // also where the field is missing or null
	fits  func(raw []byte) bool
}

// edit is a change of one part of a body.
type edit struct {
	at   span
	text string
}

// sameField is how Ollama compares the names of the fields that it knows, and
// sameOption how it compares those of options.
func sameField(a, b string) bool  { return strings.EqualFold(a, b) }
func sameOption(a, b string) bool { return a == b }

// applyFields applies rules to the fields of the body's object.
func applyFields(body []byte, rules ...rule) []byte {
	top, ok := parseObject(body, 0)
	if !ok {
		return body
	}
	return change(body, top.edits(body, rules, sameField))
}

// applyOptions applies rules to the options in the body's object.
func applyOptions(body []byte, rules []rule) []byte {
	if len(rules) == 0 {
		return body
	}
	top, ok := parseObject(body, 0)
	if !ok {
		return body
	}
	var edits []edit
	settled := false // by the options that were seen last, which are those that count
	for _, m := range top.members {
		if !sameField(m.name(body), "options") {
			continue
		}
		settled = true
		if options, ok := parseObject(body, m.value.from); ok {
			edits = append(edits, options.edits(body, rules, sameOption)...)
		} else if isNull(m.value.of(body)) {
			edits = append(edits, edit{m.value, newOptions(rules)})
		}
	}
	if !settled {
		edits = append(edits, top.insert(`"options":`+newOptions(rules)))
	}
	return change(body, edits)
}

// newOptions are options with nothing but what rules add.
func newOptions(rules []rule) string {
	fields := make([]string, len(rules))
	for i, r := range rules {
		fields[i] = `"` + r.name + `":` + r.value
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// edits are the changes that make an object follow rules. A name that stands
// there twice is changed twice: whichever counts, it fits.
func (o *object) edits(body []byte, rules []rule, same func(a, b string) bool) []edit {
	var edits []edit
	var added []string
	for _, r := range rules {
		found := false
		for _, m := range o.members {
			if !same(m.name(body), r.name) {
				continue
			}
			found = true
			raw := m.value.of(body)
			if isNull(raw) && r.added || !isNull(raw) && !r.fits(raw) {
				edits = append(edits, edit{m.value, r.value})
			}
		}
		if !found && r.added {
			added = append(added, `"`+r.name+`":`+r.value)
		}
	}
	if len(added) > 0 {
		edits = append(edits, o.insert(strings.Join(added, ",")))
	}
	return edits
}

// insert is the change that puts more members before those that there are.
func (o *object) insert(members string) edit {
	if len(o.members) > 0 {
		members += ","
	}
	return edit{span{o.open + 1, o.open + 1}, members}
}

// change returns the body with the edits made, or the body itself without any.
func change(body []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return body
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.at.from, b.at.from) })
	length := len(body)
	for _, e := range edits {
		length += len(e.text) - (e.at.to - e.at.from)
	}
	changed, done := make([]byte, 0, length), 0
	for _, e := range edits {
		changed = append(append(changed, body[done:e.at.from]...), e.text...)
		done = e.at.to
	}
	return append(changed, body[done:]...)
}
