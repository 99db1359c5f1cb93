package live

import (
	"context"
	"encoding/json"

	"github.com/corral-fleet/corral/sdk/fault"
)

// topic is something that clients are told unasked: one bit, so that a few of
// them make a set.
type topic uint32

const (
	aboutMetrics topic = 1 << iota
	aboutModels
	aboutProgress
	aboutHosts
	aboutHostMetrics
)

// onDemand are the topics that a client hears of only once it has subscribed,
// when it is told at once how things stand. The others come unasked.
const onDemand = aboutHosts | aboutHostMetrics

// topics returns every topic. Each has the name of the event that it pushes.
func topics() []topic {
	return []topic{aboutMetrics, aboutModels, aboutProgress, aboutHosts, aboutHostMetrics}
}

// String returns the name of the event that the topic pushes.
func (t topic) String() string {
	switch t {
	case aboutMetrics:
		return "metrics_update"
	case aboutModels:
		return "models_list"
	case aboutProgress:
		return "model_progress"
	case aboutHosts:
		return "hosts_list"
	case aboutHostMetrics:
		return "host_metrics"
	}
	return "unknown"
}

// heard returns the names of the topics that are not muted.
func heard(muted uint32) []string {
	names := []string{}
	for _, t := range topics() {
		if muted&uint32(t) == 0 {
			names = append(names, t.String())
		}
	}
	return names
}

// subscription is what clients say of topics, and hear back.
type subscription struct {
	Topics []string `json:"topics"`
}

// subscribe changes what the client hears, and answers what that is now. What it
// subscribed to on demand follows.
func (s *session) subscribe(_ context.Context, r request) error {
	var wanted subscription
	if err := decodeData(r.data, &wanted); err != nil {
		return err
	}
	bits, err := wanted.bits()
	if err != nil {
		return err
	}
	if r.event == "unsubscribe" {
		s.muted.Or(bits)
	} else {
		s.muted.And(^bits)
	}
	if err := s.answer(r, "subscriptions", subscription{heard(s.muted.Load())}); err != nil || r.event == "unsubscribe" {
		return err
	}
	if bits&uint32(aboutHosts) != 0 {
		s.live.logFailure(aboutHosts, s.live.hosts.tell(&s.member))
	}
	if bits&uint32(aboutHostMetrics) != 0 {
		s.live.logFailure(aboutHostMetrics, s.live.usage.tell(&s.member))
	}
	return nil
}

func (s subscription) bits() (uint32, error) {
	if len(s.Topics) == 0 {
		return 0, fault.New(fault.Invalid, `the field "topics" is missing or empty`).On(fault.Caller)
	}
	var bits uint32
	for _, name := range s.Topics {
		known := false
		for _, t := range topics() {
			if t.String() == name {
				bits |= uint32(t)
				known = true
			}
		}
		if !known {
			names, _ := json.Marshal(heard(0)) // strings alone
			return 0, fault.New(fault.Invalid, `the field "topics" names an unknown topic; the topics are %s`, names).On(fault.Caller)
		}
	}
	return bits, nil
}
