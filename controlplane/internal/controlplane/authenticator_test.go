package controlplane

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/fault"
)

// door is an authenticator with a key for each role.
type door struct {
	authenticator
	t        *testing.T
	security *settings.Security
	clock    time.Time
	key      map[fleet.Role]string
	id       map[fleet.Role]string
}

func newDoor(t *testing.T) *door {
	t.Helper()
	log := hclog.NewNullLogger()
	db, err := sqlite.OpenState(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	app := settings.DefaultApp()
	d := &door{t: t, security: &app.Security, key: map[fleet.Role]string{}, id: map[fleet.Role]string{}}
	now := func() time.Time { return d.clock }
	keys := auth.NewKeyring(db, time.Now, log)
	d.authenticator = authenticator{
		keys: keys, tickets: auth.NewTickets[edge.Caller](now), settings: func() *settings.AppConfig { return &app },
		sessions: auth.NewSessions(keys, db, func() string { return "a secret that signs, of 32 bytes or more" }, now),
	}
	for _, role := range fleet.Roles() {
		secret, key, err := d.keys.Create(t.Context(), "the "+string(role), role, 0)
		if err != nil {
			t.Fatal(err)
		}
		d.key[role], d.id[role] = secret.Reveal(), key.ID
	}
	return d
}

// want checks who has these credentials; a nil caller is nobody.
func (d *door) want(c edge.Credentials, want *edge.Caller) {
	d.t.Helper()
	if !c.RemoteIP.IsValid() {
		c.RemoteIP = netip.MustParseAddr("192.0.2.7")
	}
	got, err := d.Authenticate(d.t.Context(), c)
	if want == nil {
		if fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Caller {
			d.t.Errorf("%+v: caller %+v, error %v", c, got, err)
		}
		return
	}
	if err != nil {
		d.t.Errorf("%+v: %v", c, err)
	}
	if diff := cmp.Diff(*want, got, cmpopts.IgnoreFields(edge.Caller{}, "Gone")); diff != "" {
		d.t.Errorf("%+v (-want +got)\n%s", c, diff)
	}
	if (got.Gone == nil) != want.Anonymous {
		d.t.Errorf("%+v: the channel that tells of the key's end is %v", c, got.Gone)
	}
}

func (d *door) caller(role fleet.Role, may edge.Permission) *edge.Caller {
	return &edge.Caller{ID: d.id[role], Name: "the " + string(role), May: may}
}

const madeUp = "sk-made-up" // such as clients send that insist on some key

func TestAKeyIsTakenWhereverItStands(t *testing.T) {
	d := newDoor(t)
	key := d.key[fleet.RoleInference]
	unknown := "crl_" + strings.Repeat("A", len(key)-4)
	for _, c := range []edge.Credentials{
		{Bearer: key},
		{URLKey: key},
		{Subprotocols: []string{"corral.v1", "bearer." + key}},
		{Subprotocols: []string{"bearer." + unknown, "bearer." + key}},
		{Bearer: madeUp, URLKey: key}, // a client that can set only a URL
		{Bearer: unknown, URLKey: key},
	} {
		d.want(c, d.caller(fleet.RoleInference, edge.Infer))
	}
	for _, c := range []edge.Credentials{
		{},
		{Bearer: madeUp},
		{Bearer: unknown},
		{URLKey: unknown},
		{Subprotocols: []string{"corral.v1", key}},
		{Subprotocols: []string{"bearer."}},
		{Cookie: key},
		{Ticket: key},
		{Bearer: strings.ToUpper(key)},
		{Bearer: key + " "},
	} {
		d.want(c, nil)
	}
}

func TestACallerHasThePriorityOfItsKey(t *testing.T) {
	d := newDoor(t)
	key := d.key[fleet.RoleInference]
	session, err := d.sessions.ByKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, priority := range []int{2, -1} {
		if _, err := d.keys.SetPriority(t.Context(), d.id[fleet.RoleInference], priority); err != nil {
			t.Fatal(err)
		}
		want := d.caller(fleet.RoleInference, edge.Infer)
		want.Priority = priority
		d.want(edge.Credentials{Bearer: key}, want)
		want.Expires = session.ExpiresAt
		d.want(edge.Credentials{Cookie: session.Token.Reveal()}, want)
	}
}

func TestARoleIsWhatAKeyMayDo(t *testing.T) {
	d := newDoor(t)
	for role, may := range map[fleet.Role]edge.Permission{
		fleet.RoleViewer: edge.Read, fleet.RoleInference: edge.Infer,
		fleet.RoleOperator: edge.Operate, fleet.RoleAdmin: edge.Administer,
	} {
		d.want(edge.Credentials{Bearer: d.key[role]}, d.caller(role, may))
	}
	if got := permissionOf("of a newer build"); got != 0 {
		t.Errorf("a role that is not known may %v", got)
	}
}

func TestARevokedKeyIsNobodys(t *testing.T) {
	d := newDoor(t)
	c := edge.Credentials{Bearer: d.key[fleet.RoleAdmin], RemoteIP: netip.MustParseAddr("127.0.0.1")}
	caller, err := d.Authenticate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.keys.Revoke(t.Context(), caller.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-caller.Gone:
	default:
		t.Error("nobody was told")
	}
	d.want(c, nil)
	d.security.APIKeyRequired = false
	d.want(c, nil) // it was meant to count
}

func TestWithoutAKeyWhereNoneIsNeeded(t *testing.T) {
	d := newDoor(t)
	d.security.APIKeyRequired = false
	anonymous := func(may edge.Permission) *edge.Caller {
		return &edge.Caller{Name: "anonymous", May: may, Anonymous: true}
	}
	d.want(edge.Credentials{}, anonymous(edge.Operate)) // the default
	d.want(edge.Credentials{Bearer: madeUp}, anonymous(edge.Operate))
	d.want(edge.Credentials{URLKey: "x"}, anonymous(edge.Operate))
	d.want(edge.Credentials{Bearer: "crl_mistyped"}, nil)
	d.want(edge.Credentials{Bearer: madeUp, URLKey: "crl_mistyped"}, nil)
	d.want(edge.Credentials{Bearer: d.key[fleet.RoleViewer]}, d.caller(fleet.RoleViewer, edge.Read)) // never more than the key may

	d.security.AnonymousRole = fleet.RoleViewer
	d.want(edge.Credentials{}, anonymous(edge.Read))

	d.security.AnonymousRole = fleet.RoleAdmin
	for ip, may := range map[string]edge.Permission{
		"127.0.0.1": edge.Administer, "127.8.8.8": edge.Administer, "::1": edge.Administer, "::ffff:127.0.0.1": edge.Administer,
		"192.0.2.7": edge.Operate, "2001:db8::1": edge.Operate, "::ffff:192.0.2.7": edge.Operate,
	} {
		d.want(edge.Credentials{RemoteIP: netip.MustParseAddr(ip)}, anonymous(may))
	}
}
