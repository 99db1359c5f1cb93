package api

import (
	"context"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// SessionCookie is the name of the cookie that holds a session.
const SessionCookie = "corral_session"

// maxLoginBytes is far more than a key and a link take.
const maxLoginBytes = 4 << 10

// login opens a session for who shows a key, or the secret of a link. It counts
// no failures: secrets are too long to guess, and a count that anybody can raise
// would keep out who has the right one.
func (a *API) login(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	var shown struct {
		Key  string `json:"key"`
		Link string `json:"link"`
	}
	if err := decode(r.Body, &shown); err != nil {
		return nil, err
	}
	var (
		opened auth.Session
		err    error
	)
	switch {
	case (shown.Key == "") == (shown.Link == ""):
		return nil, fault.New(fault.Invalid, "one of the fields %q and %q is needed", "key", "link").On(fault.Caller)
	case shown.Key != "":
		opened, err = a.Sessions.ByKey(ctx, shown.Key)
	default:
		opened, err = a.Sessions.ByLink(ctx, shown.Link)
	}
	if err != nil {
		return nil, err
	}
	a.Log.Info("logged in", "key_id", opened.Key.ID, "by_link", shown.Link != "", "remote_ip", r.RemoteIP.String())
	return withCookie(r, Session{
		Name: opened.Key.Name, Role: opened.Key.Role, By: bySession, ExpiresAt: &opened.ExpiresAt, Version: a.Version,
	}, opened.Token.Reveal(), auth.SessionTTL)
}

// logout has the browser forget its session, whether it has one or not.
func (a *API) logout(_ context.Context, r *edge.Request) (*edge.Response, error) {
	return withCookie(r, nil, "", 0)
}

// withCookie returns a response that sets the session's cookie for so long, or
// clears it.
func withCookie(r *edge.Request, body any, value string, lasts time.Duration) (*edge.Response, error) {
	resp, err := edge.JSON(200, body)
	if err != nil {
		return nil, err
	}
	cookie := SessionCookie + "=" + value + "; Path=/; Max-Age=" + strconv.Itoa(int(lasts.Seconds())) + "; HttpOnly; SameSite=Lax"
	if r.TLS {
		cookie += "; Secure"
	}
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Set-Cookie", Value: cookie})
	return resp, nil
}
