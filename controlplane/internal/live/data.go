package live

import (
	"encoding/json"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// encode returns the JSON of something of ours.
func encode(v any) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	return data, nil
}

// metrics returns the data of metrics_update now.
func (l *Live) metrics() (json.RawMessage, error) { return encode(l.summary.Update()) }

// models returns the data of models_list now.
func (l *Live) models() (json.RawMessage, error) {
	list := l.summary.Models()
	if list == nil {
		list = []fleet.Model{} // no models are a list as well
	}
	return encode(list)
}

// status returns the data of system_status now.
func (l *Live) status() (json.RawMessage, error) { return encode(l.summary.Status()) }

// decodeData reads the data of a client's event into v; no data are an empty
// object. What does not fit is fault.Invalid and names the field.
func decodeData(data json.RawMessage, v any) error {
	if data == nil {
		return nil
	}
	err := json.Unmarshal(data, v)
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return fault.Wrap(fault.Invalid, err, "the field %q can't be a %s", mismatch.Field, mismatch.Value).On(fault.Caller)
	}
	return fault.Wrap(fault.Invalid, err, "the data of the event is not an object").On(fault.Caller)
}
