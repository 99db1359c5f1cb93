package agentlink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// duplicateRetry is how long an agent whose identity is taken stays away.
const duplicateRetry = 30 * time.Second

// Bounds of what an agent may call and label its host.
const (
	maxNameRunes  = 64
	maxLabels     = 32
	maxLabelRunes = 128
)

// hostID derives a host's id from its key: the key is the identity, and a
// second joining with the same key is the same host.
func hostID(publicKey []byte) string {
	sum := sha256.Sum256(append([]byte("corral host "), publicKey...))
	return "h_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:13]))
}

// admit returns the id of the host with the hello's key. One that is not known
// joins by its token.
func (l *Link) admit(ctx context.Context, hello *wire.Hello) (id string, err error) {
	id = hostID(hello.PublicKey)
	if known, err := l.Registry.Find(id); err == nil && known.ID == id {
		return id, approved(known.Host)
	}
	if hello.Token == "" {
		return "", notJoined()
	}
	token, err := wire.ParseJoinToken(hello.Token)
	if err != nil {
		return "", reject(wire.RejectToken, "%s", err)
	}
	now := l.Now()
	host, err := l.Hosts.Enrol(ctx, token.Hash(), now, fleet.Host{
		ID: id, Name: nameOf(&hello.Host, id), PublicKey: hello.PublicKey, Labels: labelsOf(hello.Host.Labels),
		JoinedAt: now, SeenAt: now, Facts: factsOf(&hello.Host),
	})
	switch {
	case fault.KindOf(err) == fault.Unauthenticated:
		return "", reject(wire.RejectToken, "%s", fault.MessageOf(err))
	case err != nil:
		return "", fmt.Errorf("enrol host: %w", err)
	}
	l.Registry.Put(host)
	l.Log.Info("host joined", "host_id", host.ID, "host", host.Name, "pending", host.Pending)
	return id, approved(host)
}

// pendingRetry is how long an agent whose host is not approved yet stays away.
const pendingRetry = 2 * time.Second

// approved refuses a host that an operator has yet to let in. Nothing is known of
// such a host but what it told when it joined, and nothing is sent to it.
func approved(h fleet.Host) error {
	if !h.Pending {
		return nil
	}
	r := reject(wire.RejectPending, "the host %s (%s) waits until an operator lets it in: corral host approve %s", h.Name, h.ID, h.Name)
	r.RetryAfterMillis = uint32(pendingRetry.Milliseconds())
	return r
}

// release forgets a host whose agent asks for it. The answer is a rejection in
// every case. A clone of an agent that is alive can't have its host forgotten.
func (l *Link) release(ctx context.Context, hello *wire.Hello) error {
	id := hostID(hello.PublicKey)
	known, err := l.Registry.Find(id)
	if err != nil || known.ID != id {
		return notJoined()
	}
	if err := l.challengeIncumbent(ctx, id, hello); err != nil {
		return err
	}
	// An agent that hangs up now must not decide whether its host keeps its session.
	if err := l.Hosts.RemoveHost(context.WithoutCancel(ctx), id); err != nil && fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("remove host %s: %w", id, err)
	}
	l.Registry.Remove(id)
	l.Forget(id)
	l.Log.Info("host left", "host_id", id, "host", known.Name)
	return reject(wire.RejectRemoved, "the host %s is forgotten here", known.Name)
}

func notJoined() *rejection {
	return reject(wire.RejectNotJoined, "this agent has not joined here, or its host was removed; join it by corral-agent join with a token from `corral-controlplane token create`")
}

// refreshFacts stores what a host tells of itself, where that has changed. A
// host that was removed meanwhile is refused.
func (l *Link) refreshFacts(ctx context.Context, id string, facts fleet.Facts) (fleet.Host, error) {
	known, err := l.Registry.Find(id)
	if err != nil {
		return fleet.Host{}, notJoined()
	}
	host := known.Host
	if host.Facts == facts {
		return host, nil
	}
	host.Facts = facts
	if err := l.Hosts.SaveHost(ctx, host); err != nil {
		return fleet.Host{}, fmt.Errorf("save host %s: %w", id, err)
	}
	l.Registry.Put(host)
	return host, nil
}

// challengeIncumbent refuses a second agent with the key of one that is alive.
// The same run reconnecting, or an incumbent that no longer answers, makes way.
func (l *Link) challengeIncumbent(ctx context.Context, id string, hello *wire.Hello) error {
	incumbent, err := l.session(id)
	if err != nil || incumbent.runID == hello.RunID {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.pace.ping)
	defer cancel()
	if incumbent.ping(ctx) != nil {
		return nil
	}
	incumbent.doubled.Store(l.Now().UnixMilli())
	l.Registry.SetProblem(id, fleet.Problem{
		Code: wire.RejectDuplicateIdentity,
		Message: fmt.Sprintf("a second agent, on %q%s, uses the key of this host, whose own agent is on %q; its data directory was cloned. Remove the agent.key and joined.json there and join it anew",
			oneLine(hello.Host.Hostname, maxNameRunes), l.twin(id, &hello.Host), l.hostname(id)),
	})
	r := reject(wire.RejectDuplicateIdentity, "another agent with this key is connected, so this data directory is a clone; remove its agent.key and joined.json and join with a new token")
	r.RetryAfterMillis = uint32(duplicateRetry.Milliseconds())
	return r
}

// hostname returns what the machine of a host that joined is called.
func (l *Link) hostname(id string) string {
	known, err := l.Registry.Find(id)
	if err != nil {
		return ""
	}
	return known.Facts.Hostname
}

// twin tells machines apart that are called the same.
func (l *Link) twin(id string, clone *wire.HostFacts) string {
	known, err := l.Registry.Find(id)
	if err != nil || known.Facts.BootID == "" || clone.BootID == "" {
		return ""
	}
	if known.Facts.BootID == clone.BootID {
		return " (the same machine)"
	}
	return " (another machine)"
}

// forgetDuplicate takes the problem back once the clone has not shown up for
// longer than it was told to stay away.
func (l *Link) forgetDuplicate(s *session) {
	seen := s.doubled.Load()
	if seen != 0 && l.Now().Sub(time.UnixMilli(seen)) > 2*duplicateRetry {
		s.doubled.Store(0)
		l.Registry.SetProblem(s.hostID, fleet.Problem{Code: wire.RejectDuplicateIdentity})
	}
}

// nameOf returns what a host is to be called: as its agent asks, else as the
// machine is called, else as its id.
func nameOf(h *wire.HostFacts, id string) string {
	return cmp.Or(oneLine(h.Name, maxNameRunes), oneLine(h.Hostname, maxNameRunes), id)
}

func labelsOf(list []wire.Label) map[string]string {
	labels := map[string]string{}
	for _, l := range list {
		if name := oneLine(l.Name, maxLabelRunes); name != "" && len(labels) < maxLabels {
			labels[name] = oneLine(l.Value, maxLabelRunes)
		}
	}
	return labels
}

// oneLine makes a stranger's text one that can be shown in one line: what cannot
// be printed is left out, and so is what is too long.
func oneLine(s string, maxRunes int) string {
	printable := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	return strings.TrimSpace(string(printable[:min(len(printable), maxRunes)]))
}
