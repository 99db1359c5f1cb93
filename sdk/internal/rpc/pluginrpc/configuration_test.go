package pluginrpc

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAConfigurationIsPassedWhole(t *testing.T) {
	c := Configuration{Version: 2, JSON: []byte(`{"a":1}`), Secrets: map[string]string{"b": "c"}}
	for i := range reflect.TypeOf(c).NumField() {
		if reflect.ValueOf(c).Field(i).IsZero() {
			t.Fatalf("nothing shows that %s is passed", reflect.TypeOf(c).Field(i).Name)
		}
	}
	if diff := cmp.Diff(c, configurationOf(c.message())); diff != "" {
		t.Error(diff)
	}
}
