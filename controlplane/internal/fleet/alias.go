package fleet

import (
	"cmp"
	"maps"
	"slices"
)

// Alias is another name under which the fleet serves a model.
type Alias struct {
	Name  string // as [ShownModel] has it
	Model string // the canonical name of the model
}

// Aliases are by their canonical names.
type Aliases map[string]Alias

// Of returns the name of the model that a name stands for: the name itself, unless it is an
// alias.
func (a Aliases) Of(name string) string {
	if alias, is := a[CanonicalModel(name)]; is {
		return alias.Model
	}
	return name
}

// Served returns models as callers find them: an alias is one more name of its model, and
// hides a model of that name which a host has by itself. The models are sorted by name, and
// so is what is returned.
func (a Aliases) Served(models []Model) []Model {
	if len(a) == 0 {
		return models
	}
	at := make(map[string]int, len(models))
	served := make([]Model, 0, len(models)+len(a))
	for i := range models {
		name := CanonicalModel(models[i].Name)
		at[name] = i
		if _, hidden := a[name]; !hidden {
			served = append(served, models[i])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if i, there := at[a[name].Model]; there {
			m := models[i]
			m.ID, m.Name = ModelID(name), a[name].Name
			served = append(served, m)
		}
	}
	slices.SortFunc(served, func(x, y Model) int { return cmp.Compare(CanonicalModel(x.Name), CanonicalModel(y.Name)) })
	return served
}
