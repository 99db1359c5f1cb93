package auth

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// SessionTTL is how long a session lasts.
const SessionTTL = 7 * 24 * time.Hour

// Session is what a browser gets in place of a key: a token that says which key
// it stands for and until when. What it may do is looked up each time.
type Session struct {
	Token     Secret
	Key       fleet.Key
	ExpiresAt time.Time
}

// Sessions let people in who proved once that they have a key. Nothing is
// stored of a session: it is good while its key and the secret that signed it
// are, and until it expires. Its methods may be called concurrently.
type Sessions struct {
	keys   *Keyring
	links  LinkStore
	secret func() string
	now    func() time.Time
	parser *jwt.Parser
}

// NewSessions returns sessions for the holders of keys. secret returns what
// signs them now; whoever changes it calls [Keyring.EndSessions] after that.
func NewSessions(keys *Keyring, links LinkStore, secret func() string, now func() time.Time) *Sessions {
	return &Sessions{keys: keys, links: links, secret: secret, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
	)}
}

// ByKey opens a session for who shows a key. One that is not good is
// fault.Unauthenticated.
func (s *Sessions) ByKey(ctx context.Context, secret string) (Session, error) {
	key, _, ok := s.keys.Lookup(ctx, secret)
	if !ok {
		return Session{}, fault.New(fault.Unauthenticated, "the key is unknown or revoked; \"corral-controlplane key create\" makes a new one").On(fault.Caller)
	}
	return s.open(key)
}

// ByLink opens a session for who shows the secret of a link, which is spent by
// that. One that is not good is fault.Unauthenticated and says why.
func (s *Sessions) ByLink(ctx context.Context, secret string) (Session, error) {
	sum, ok := linkHash(secret)
	if !ok {
		return Session{}, fault.New(fault.Unauthenticated, "this is not a link for logging in; was it copied as a whole?").On(fault.Caller)
	}
	id, err := s.links.SpendLoginLink(ctx, sum[:], s.now())
	if err != nil {
		return Session{}, err
	}
	key, ok, err := s.keys.newHolder(ctx, id)
	switch {
	case err != nil:
		return Session{}, err
	case !ok: // revoked between the two
		return Session{}, fault.New(fault.Unauthenticated, "the key that the link was made for was revoked").On(fault.Caller)
	}
	return s.open(key)
}

// open signs a session for a key's holder.
func (s *Sessions) open(key fleet.Key) (Session, error) {
	secret := s.secret()
	if secret == "" {
		return Session{}, fault.New(fault.Internal, "there is no secret to sign sessions with")
	}
	issued := s.now().UTC().Truncate(time.Second) // as the token has it
	expires := issued.Add(SessionTTL)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: key.ID, IssuedAt: jwt.NewNumericDate(issued), ExpiresAt: jwt.NewNumericDate(expires),
	}).SignedString([]byte(secret))
	if err != nil {
		return Session{}, fault.Wrap(fault.Internal, err, "")
	}
	return Session{Token: Secret{token}, Key: key, ExpiresAt: expires}, nil
}

// Find returns the key that a session's token stands for, when the session
// expires, and a channel that is closed when it ends before that.
func (s *Sessions) Find(token string) (key fleet.Key, expires time.Time, ended <-chan struct{}, ok bool) {
	secret := s.secret()
	if secret == "" {
		return fleet.Key{}, time.Time{}, nil, false
	}
	var claims jwt.RegisteredClaims
	if _, err := s.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }); err != nil {
		return fleet.Key{}, time.Time{}, nil, false // why is of use to nobody but who made it up
	}
	key, ended, ok = s.keys.holder(claims.Subject)
	// A secret that changed since it was read may have had its sessions ended
	// before this one's channel was taken, which would then never be closed.
	if !ok || s.secret() != secret {
		return fleet.Key{}, time.Time{}, nil, false
	}
	return key, claims.ExpiresAt.Time, ended, true
}
