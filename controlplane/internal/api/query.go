package api

import (
	"net/url"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// integer reads a parameter of a query that has to be between least and most,
// and is otherwise where nobody gives it.
func integer(q url.Values, name string, otherwise, least, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fault.New(fault.Invalid, "the parameter %q is %q, not an integer from %d to %d", name, text, least, most).On(fault.Caller)
	}
	return n, nil
}

// boolean reads a parameter that is false where nobody gives it.
func boolean(q url.Values, name string) (bool, error) {
	switch text := q.Get(name); text {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	default:
		return false, fault.New(fault.Invalid, "the parameter %q is %q, neither true nor false", name, text).On(fault.Caller)
	}
}

// moment reads a time in the form of RFC 3339.
func moment(q url.Values, name string, otherwise time.Time) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.Wrap(fault.Invalid, err, "the parameter %q is %q, not a time such as %s", name, text, "2006-01-02T15:04:05Z").On(fault.Caller)
	}
	return t.UTC(), nil
}
