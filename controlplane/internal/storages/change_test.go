package storages_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

func names(l *lab) []string {
	var list []string
	for _, v := range l.States() {
		list = append(list, v.Name+" "+string(v.Origin))
	}
	return list
}

func TestAStorageIsThereWhereNobodyConfiguredOne(t *testing.T) {
	l := open(t, empty())
	if got := names(l); !slices.Equal(got, []string{"default default"}) {
		t.Errorf("there are %v", got)
	}
	if v, err := l.Storage(t.Context(), ""); err != nil || v.Name != "default" || v.Plugin != "mem" {
		t.Errorf("without a name it is %+v, %v", v, err)
	}
	if _, err := l.Remove(t.Context(), "default"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("it can be removed: %v", err)
	}
	if _, err := l.Change(t.Context(), "default", spec("", "", `{"directory":"/e"}`), storages.Online); err != nil {
		t.Fatal(err)
	}
	if got := names(open(t, l.store)); !slices.Equal(got, []string{"default saved"}) {
		t.Errorf("after it was changed there are %v", got)
	}
	if _, err := l.Remove(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if got := names(l); !slices.Equal(got, []string{"default default"}) {
		t.Errorf("after its change was removed there are %v", got)
	}
}

func TestSecretsAreKeptApartAndShownToNobody(t *testing.T) {
	l := open(t, empty())
	v, err := l.Create(t.Context(), spec("a", "mem", `{"size": 12345678901234567890, "password": "p4ss", "deep": {"token": "t0ken", "other": 1}}`), storages.Online)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"deep":{"other":1,"token":"***"},"password":"***","size":12345678901234567890}`; string(v.Config) != want {
		t.Errorf("shown is %s", v.Config)
	}
	stored := l.store.list["a"]
	if strings.Contains(string(stored.Config), "p4ss") || stored.Secrets["password"] != "p4ss" || stored.Secrets["deep.token"] != "t0ken" || stored.Schema != 3 {
		t.Errorf("stored is %s and %v", stored.Config, stored.Secrets)
	}
	// What was shown comes back, and one secret is taken away.
	back := strings.Replace(string(v.Config), `"token":"***"`, `"token":""`, 1)
	if _, err := l.Change(t.Context(), "a", spec("a", "", back), storages.Online); err != nil {
		t.Fatal(err)
	}
	if got := l.plugins.latest(t, "a").configuration.Secrets; got["password"] != "p4ss" || len(got) != 1 {
		t.Errorf("the plugin gets the secrets %v", got)
	}
	// Nobody gets at a secret by having another plugin look at it, or by a new name.
	if _, err := l.Create(t.Context(), spec("b", "mem", `{"password": "***"}`), storages.Offline); err != nil {
		t.Fatal(err)
	}
	if got := l.store.list["b"].Secrets; len(got) != 0 {
		t.Errorf("another storage got %v", got)
	}
	_, err = l.Create(t.Context(), spec("c", "mem", `{"password": 7}`), storages.Online)
	wantFields(t, err, "config.password")
}

// wantFields expects that these fields are named, in this order.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	if list, ok := errors.AsType[*config.Faults](err); ok {
		for _, f := range list.List {
			got = append(got, f.Field)
		}
	}
	if !slices.Equal(got, want) || fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v names %q, want %q", err, got, want)
	}
}

func TestWhatIsWrongIsToldBesideItsField(t *testing.T) {
	l := open(t, empty())
	for _, c := range []struct {
		spec storages.Spec
		want []string
	}{
		{spec("", "mem", `{}`), []string{"name"}},
		{spec("A", "mem", `{}`), []string{"name"}},
		{spec("../x", "mem", `{}`), []string{"name"}},
		{spec("a-", "mem", `{}`), []string{"name"}},
		{spec("a", "", `{}`), []string{"plugin"}},
		{spec("a", "none", `{}`), []string{"plugin"}},
		{spec("a", "mem", `[]`), []string{"config"}},
		{spec("a", "mem", `{"size": "wrong"}`), []string{"config.size", "config"}},
	} {
		_, err := l.Create(t.Context(), c.spec, storages.Online)
		wantFields(t, err, c.want...)
	}
	for plugin, want := range map[string]string{
		"":     "has to name a storage plugin; there are away, mem",
		"none": `there is no storage plugin "none"; there are away, mem`,
	} {
		_, err := l.Create(t.Context(), spec("a", plugin, `{}`), storages.Online)
		if faults, ok := errors.AsType[*config.Faults](err); !ok || faults.List[0].Message != want {
			t.Errorf("of the plugin %q it says %v, want %q", plugin, err, want)
		}
	}
	if _, err := l.Create(t.Context(), spec("a", "away", `{}`), storages.Online); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a plugin that does not run: %v", err)
	}
	if len(l.store.list) != 0 || len(l.Storages(t.Context())) != 1 {
		t.Errorf("something of it was stored: %v", l.store.list)
	}
}

func TestAConfigurationIsTriedBeforeItIsSaved(t *testing.T) {
	l := open(t, empty())
	l.plugins.refused = fault.New(fault.Unauthenticated, "the service does not know this key").On(fault.Service)
	_, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Online)
	wantFields(t, err, "config") // and not that the caller is unknown
	l.plugins.refused = fault.New(fault.Unavailable, "no route").On(fault.Service)
	if _, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Online); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.MessageOf(err), "no route") {
		t.Errorf("a service that is away: %v", err)
	}
	if len(l.store.list) != 0 || l.plugins.tried != 2 {
		t.Errorf("after %d trials %v are stored", l.plugins.tried, l.store.list)
	}
	if _, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Offline); err != nil {
		t.Errorf("nobody wanted it tried: %v", err)
	}
	if err := l.Try(t.Context(), "a", spec("", "", `{}`), storages.Online); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a trial: %v", err)
	}
}

func TestWhoSavesAStorageSeesItOpen(t *testing.T) {
	l := open(t, empty())
	l.plugins.opens = storages.Ready
	made, err := l.Create(t.Context(), spec("disk", "mem", "{}"), storages.Online)
	if err != nil || made.Status != storages.Ready {
		t.Errorf("made it is %+v, %v", made, err)
	}
	l.plugins.opens = storages.Failed
	changed, err := l.Change(t.Context(), "disk", spec("disk", "mem", `{"size": 2}`), storages.Offline)
	if err != nil || changed.Status != storages.Failed {
		t.Errorf("changed it is %+v, %v", changed, err)
	}
}

func TestTheFilesStoragesArePinned(t *testing.T) {
	saved := empty()
	saved.list["a"] = fleet.Storage{Name: "a", Plugin: "mem", Config: []byte(`{"from":"saved"}`)}
	pinned := storages.Pinned{Storage: fleet.Storage{Name: "a", Plugin: "mem", Config: []byte(`{"from":"file"}`)}, SetIn: "corral.yaml:7"}
	l := open(t, saved, pinned)
	v, err := l.Storage(t.Context(), "a")
	if err != nil || string(v.Config) != `{"from":"file"}` || v.SetIn != "corral.yaml:7" || v.Origin != storages.FromFile {
		t.Errorf("%+v, %v", v, err)
	}
	for what, change := range map[string]func() error{
		"create": func() error { _, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Online); return err },
		"change": func() error { _, err := l.Change(t.Context(), "a", spec("", "mem", `{}`), storages.Online); return err },
		"remove": func() error { _, err := l.Remove(t.Context(), "a"); return err },
	} {
		if err := change(); fault.KindOf(err) != fault.Conflict || what != "create" && !strings.Contains(fault.MessageOf(err), "corral.yaml:7") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := names(open(t, saved)); !slices.Equal(got, []string{"a saved", "default default"}) {
		t.Errorf("without the file there are %v", got)
	}
}

func TestAChangeReplacesTheInstance(t *testing.T) {
	l := open(t, empty())
	if _, err := l.Create(t.Context(), spec("a", "mem", `{}`), storages.Online); err != nil {
		t.Fatal(err)
	}
	first := l.plugins.latest(t, "a")
	if _, err := l.Change(t.Context(), "a", spec("b", "mem", `{}`), storages.Online); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another name: %v", err)
	}
	l.store.fail = errors.New("the disk is away")
	if _, err := l.Change(t.Context(), "a", spec("a", "mem", `{"x":1}`), storages.Online); err == nil || first.closed {
		t.Errorf("what is not stored is in effect: %v", err)
	}
	l.store.fail = nil
	if _, err := l.Change(t.Context(), "a", spec("a", "mem", `{"x":1}`), storages.Online); err != nil {
		t.Fatal(err)
	}
	second := l.plugins.latest(t, "a")
	if !first.closed || second.closed || string(second.configuration.JSON) != `{"x":1}` {
		t.Errorf("the first is closed: %v; the second has %s", first.closed, second.configuration.JSON)
	}
	if _, err := l.Remove(t.Context(), "a"); err != nil || !second.closed {
		t.Errorf("removed: %v", err)
	}
	if _, err := l.Storage(t.Context(), "a"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
}
