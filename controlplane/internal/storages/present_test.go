package storages_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
)

// older returns what was saved for version 2 of a plugin's configuration.
func older() *store {
	s := empty()
	s.list["a"] = fleet.Storage{
		Name: "a", Plugin: "mem", Config: []byte(`{"seconds":9}`), Secrets: map[string]string{"pass": "p4ss"}, Schema: 2, CreatedAt: noon(), ChangedAt: noon(),
	}
	return s
}

func shows(t *testing.T, l *lab, want string) {
	t.Helper()
	v, err := l.Storage(t.Context(), "a")
	if err != nil || string(v.Config) != want {
		t.Errorf("shown is %s, %v; want %s", v.Config, err, want)
	}
	for _, v := range l.Storages(t.Context()) {
		if v.Name == "a" && string(v.Config) != want {
			t.Errorf("listed is %s, want %s", v.Config, want)
		}
	}
}

func TestAnOlderConfigurationIsShownInThePresentVersionAndStaysStored(t *testing.T) {
	saved := older()
	l := open(t, saved)
	before := saved.list["a"]
	shows(t, l, `{"pass":"***","seconds":9}`) // its plugin is not there yet
	l.plugins.latest(t, "a").become(storages.Ready, "")
	shows(t, l, `{"password":"***","timeout":9}`)
	if diff := cmp.Diff(before, saved.list["a"]); diff != "" {
		t.Errorf("the store has another one\n%s", diff)
	}
	want := storages.Configuration{JSON: before.Config, Secrets: before.Secrets, Schema: 2}
	if diff := cmp.Diff(want, l.plugins.latest(t, "a").configuration); diff != "" {
		t.Errorf("it is opened otherwise than it is stored\n%s", diff)
	}
	l.plugins.stuck = fault.New(fault.Invalid, "can't be")
	shows(t, l, `{"pass":"***","seconds":9}`)
	l.plugins.stuck, l.plugins.older = nil, true
	shows(t, l, `{"pass":"***","seconds":9}`)
}

func TestSavingAnOlderConfigurationKeepsItsSecrets(t *testing.T) {
	saved := older()
	l := open(t, saved)
	l.plugins.stuck = fault.New(fault.Unavailable, "the plugin has ended").On(fault.Plugin)
	shown := spec("", "", `{"password":"***","timeout":10}`)
	if _, err := l.Change(t.Context(), "a", shown, storages.Online); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("with secrets that can't be had: %v", err)
	}
	l.plugins.stuck = nil
	v, err := l.Change(t.Context(), "a", shown, storages.Online)
	if err != nil || string(v.Config) != `{"password":"***","timeout":10}` {
		t.Fatalf("%s, %v", v.Config, err)
	}
	want := fleet.Storage{
		Name: "a", Plugin: "mem", Config: []byte(`{"timeout":10}`), Secrets: map[string]string{"password": "p4ss"}, Schema: 3, CreatedAt: noon(), ChangedAt: noon(),
	}
	if diff := cmp.Diff(want, saved.list["a"]); diff != "" {
		t.Error(diff)
	}
	// One that can't be migrated is replaced by what somebody writes anew.
	saved = older()
	l = open(t, saved)
	l.plugins.stuck = fault.New(fault.Invalid, "can't be")
	if _, err := l.Change(t.Context(), "a", spec("", "", `{"password":"new"}`), storages.Online); err != nil || saved.list["a"].Secrets["password"] != "new" {
		t.Errorf("%v, %+v", err, saved.list["a"])
	}
}
