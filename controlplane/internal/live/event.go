package live

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// event is something that a client may ask for.
type event struct {
	name string
	need edge.Permission
	// perform answers the request, now or from a goroutine of the session's. Its
	// error is the answer.
	perform func(s *session, ctx context.Context, r request) error
}

// events returns everything that clients may ask for.
func events() []event {
	return []event{
		{"get_metrics", edge.Read, func(s *session, _ context.Context, r request) error {
			return s.reply(r, "metrics_update", s.live.metrics)
		}},
		{"get_models", edge.Read, func(s *session, _ context.Context, r request) error {
			return s.reply(r, "models_list", s.live.models)
		}},
		{"get_system_status", edge.Read, func(s *session, _ context.Context, r request) error {
			return s.reply(r, "system_status", s.live.status)
		}},
		{"chat_request", edge.Infer, (*session).chat},
		{"subscribe", edge.Read, (*session).subscribe},
		{"unsubscribe", edge.Read, (*session).subscribe},
		{"upload_model", edge.Operate, (*session).upload},
		{"browse_storage", edge.Read, (*session).browse},
	}
}

func eventNames() []string {
	var names []string
	for _, e := range events() {
		names = append(names, e.name)
	}
	return names
}

// handle does what a client asks for. A request that fails is answered with an
// error, and the connection stays.
func (s *session) handle(ctx context.Context, r request) {
	if err := s.perform(ctx, r); err != nil {
		s.fail(r, err)
	}
}

func (s *session) perform(ctx context.Context, r request) error {
	for _, e := range events() {
		if e.name != r.event {
			continue
		}
		if s.caller.May < e.need {
			return fault.New(fault.Forbidden, "this key may not do this: it needs the permission to %s", e.need)
		}
		return e.perform(s, ctx, r)
	}
	return fault.New(fault.NotFound, "there is no such event").On(fault.Caller)
}
