package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/api"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/sdk/client"
)

// TestTheClientKnowsEveryField fills every field of what the control plane
// answers with, and takes it through the client's types. A field that the
// client lacks, calls by another name or takes for another type shows.
func TestTheClientKnowsEveryField(t *testing.T) {
	for _, shape := range []struct{ theirs, ours any }{
		{&fleet.HostView{}, &client.Host{}},
		{&fleet.GPUCard{}, &client.GPUCard{}},
		{&fleet.GPUProcess{}, &client.GPUProcess{}},
		{&fleet.Token{}, &client.Token{}},
		{&fleet.Model{}, &client.Model{}},
		{&shownOperation{}, &client.Operation{}},
		{&fit.Fit{}, &client.Fit{}},
		{&fleet.Decision{}, &client.Decision{}},
		{&fleet.Breaker{}, &client.Breaker{}},
		{&fleet.Line{}, &client.Queue{}},
		{&summary.SystemStatus{}, &client.Status{}},
		{&summary.MetricsUpdate{}, &client.Metrics{}},
		{&summary.HostReading{}, &client.HostMetrics{}},
		{&fleet.UsageRow{}, &client.UsageRequest{}},
		{&fleet.UsageTotal{}, &client.UsageTotal{}},
		{&storages.View{}, &client.Storage{}},
		{&storages.Listing{}, &client.FilePage{}},
		{&storages.Spec{}, &client.StorageSpec{}},
		{&api.Plugin{}, &client.Plugin{}},
	} {
		t.Run(fmt.Sprintf("%T", shape.theirs), func(t *testing.T) {
			next := 0
			fill(t, reflect.ValueOf(shape.theirs).Elem(), &next)
			sent, err := json.Marshal(shape.theirs)
			if err != nil {
				t.Fatal(err)
			}
			dec := json.NewDecoder(bytes.NewReader(sent))
			dec.DisallowUnknownFields()
			if err := dec.Decode(shape.ours); err != nil {
				t.Fatal(err)
			}
			back, err := json.Marshal(shape.ours)
			if err != nil {
				t.Fatal(err)
			}
			want, got := object(t, sent), object(t, back)
			for name := range got {
				if _, there := want[name]; !there && reflect.TypeOf(shape.theirs) == reflect.TypeFor[*summary.MetricsUpdate]() {
					delete(got, name) // of the hosts, which have a case of their own
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lost on the way (-sent +got):\n%s", diff)
			}
		})
	}
}

// shownOperation is an operation as the API shows it.
type shownOperation struct {
	fleet.Operation

	Progress         int    `json:"progress"`
	RemainingSeconds *int64 `json:"remaining_seconds"`
}

func object(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// fill gives every field below v a value of its own that is not zero.
func fill(t *testing.T, v reflect.Value, next *int) {
	t.Helper()
	*next++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(int64(*next), 0).UTC()))
		return
	}
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		v.SetBytes([]byte(`{"a":1}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *next))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint8:
		v.SetUint(uint64(*next % 256))
	case reflect.Float64:
		v.SetFloat(float64(*next) + 0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), next)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), next)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, next)
		fill(t, value, next)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, next)
		}
	default:
		t.Fatalf("no way to fill a %s", v.Type())
	}
}
