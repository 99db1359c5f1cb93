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

func shows(t *testing.T, l *lab, version int, want string) {
	t.Helper()
	v, err := l.Storage(t.Context(), "a")
	if err != nil || string(v.Config) != want || v.ConfigVersion != version {
		t.Errorf("shown is %s of version %d, %v; want %s of %d", v.Config, v.ConfigVersion, err, want, version)
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
	shows(t, l, 2, `{"pass":"***","seconds":9}`) // its plugin is not there yet
	l.plugins.latest(t, "a").become(storages.Ready, "")
	shows(t, l, 3, `{"password":"***","timeout":9}`)
	if diff := cmp.Diff(before, saved.list["a"]); diff != "" {
		t.Errorf("the store has another one\n%s", diff)
	}
	want := storages.Configuration{JSON: before.Config, Secrets: before.Secrets, Schema: 2}
	if diff := cmp.Diff(want, l.plugins.latest(t, "a").configuration); diff != "" {
		t.Errorf("it is opened otherwise than it is stored\n%s", diff)
	}
	l.plugins.stuck = fault.New(fault.Invalid, "can't be")
	shows(t, l, 2, `{"pass":"***","seconds":9}`)
	l.plugins.stuck, l.plugins.older = nil, true
	shows(t, l, 2, `{"pass":"***","seconds":9}`)
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

func ofVersion(version int, body string) storages.Spec {
	return storages.Spec{Config: []byte(body), ConfigVersion: version}
}

// A form, or a program, that has loaded a configuration may send it back once the
// plugin is another version.
func TestWhatWasLoadedBeforeAnUpgradeIsNotSaved(t *testing.T) {
	l := open(t, older())
	l.plugins.latest(t, "a").become(storages.Ready, "")
	const sentence = `the configuration is of version 2, and the plugin "mem" has version 3 now: load it again, and then change it`
	for _, version := range []int{2, 4, -1} {
		_, err := l.Change(t.Context(), "a", ofVersion(version, `{"seconds":9}`), storages.Online)
		if fault.KindOf(err) != fault.Conflict || version == 2 && fault.MessageOf(err) != sentence {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if err := l.Try(t.Context(), "a", ofVersion(2, `{}`), storages.Offline); fault.KindOf(err) != fault.Conflict {
		t.Errorf("tried: %v", err)
	}
	added := ofVersion(2, `{}`)
	added.Name, added.Plugin = "b", "mem"
	if _, err := l.Create(t.Context(), added, storages.Offline); fault.KindOf(err) != fault.Conflict {
		t.Errorf("created: %v", err)
	}
	if v, err := l.Change(t.Context(), "a", ofVersion(3, `{"timeout":9}`), storages.Online); err != nil || v.ConfigVersion != 3 {
		t.Errorf("of the present version: %+v, %v", v, err)
	}
}

// What is shown now may be changed, or nobody could mend it.
func TestAConfigurationThatCannotBeMigratedIsMendedAsItIsShown(t *testing.T) {
	saved := older()
	l := open(t, saved)
	l.plugins.latest(t, "a").become(storages.Failed, "can't be")
	l.plugins.stuck = fault.New(fault.Invalid, "can't be")
	shows(t, l, 2, `{"pass":"***","seconds":9}`)
	if _, err := l.Change(t.Context(), "a", ofVersion(2, `{"password":"new"}`), storages.Online); err != nil || saved.list["a"].Schema != 3 {
		t.Errorf("%v, %+v", err, saved.list["a"])
	}
}

// The storage that is built in, and those of a file that names no version, are of the
// version that their plugin has.
func TestAConfigurationOfNoVersionIsOfThePresentOne(t *testing.T) {
	l := open(t, empty())
	l.plugins.latest(t, "default").become(storages.Ready, "")
	v, err := l.Storage(t.Context(), "")
	if err != nil || v.ConfigVersion != 3 || string(v.Config) != `{"directory":"/d"}` {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := l.Change(t.Context(), "", ofVersion(2, `{"directory":"/e"}`), storages.Online); fault.KindOf(err) != fault.Conflict {
		t.Errorf("of an older version: %v", err)
	}
}
