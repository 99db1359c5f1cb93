// Package wire is what an agent and a control plane say to each other: the
// version, the frames and their encoding.
//
// An agent opens one WebSocket to the control plane. The first messages on it
// are the handshake, one [Frame] in each binary message: the control plane
// sends a [Challenge], the agent answers with a [Hello] that proves its key,
// the control plane ends it with a [Welcome] or a [Reject]. From then on the
// WebSocket carries a yamux session (package tunnel). On it the agent opens
// exactly one stream, the control stream, which carries length-prefixed frames
// in both directions; every further stream is opened by the control plane and
// carries plain HTTP/1.1 exchanges (package exchange).
//
// Identity comes from the handshake alone. No frame after it names a host: the
// session does.
//
// Frames are protobuf messages; the schema is proto/corral/agent/v1/agent.proto
// and a test keeps this package's own encoder equal to it. Fields and frames
// that a receiver does not know are skipped.
//
// The package is for corral's own programs. It is not covered by the promise
// that the SDK makes to authors of plugins.
package wire

import "time"

// Version is the protocol version that this build speaks.
//
//   - 1: 2026-11-23: handshake, samples, instances, ping, actions restart and refresh;
//     2026-11-26: agents that are leaving say so;
//     2026-11-27: and whether their host goes to sleep; hosts that leave for good,
//     and those that wait for approval; and by what address other hosts get models
//     from an agent's, with tickets by the key of the welcome, or by a later one
const Version uint32 = 1

// MinVersion is the oldest version of a peer that this build accepts.
const MinVersion uint32 = 1

// Caps on the encoded size of one frame in bytes, checked before anything is
// allocated for it.
const (
	MaxHandshakeFrame = 16 << 10 // by a peer that has not proved who it is
	MaxFrame          = 4 << 20  // on the control stream
)

// Timing that both sides rely on.
const (
	HandshakeTimeout = 5 * time.Second  // from the upgraded socket to the end of the handshake
	PingInterval     = 2 * time.Second  // each side pings, so that silence means something
	SilentPings      = 4                // so many intervals without any frame, and the peer counts as gone
	WriteTimeout     = 10 * time.Second // one message that the peer's socket does not take
)

// LinkPath is the control plane's route for agents, and Subprotocol the
// WebSocket subprotocol that is asked for and selected there.
const (
	LinkPath    = "/agent/v1/link"
	Subprotocol = "corral.agent.v1"
)

// ServerName is the DNS name in every control plane's certificate. Agents reach
// a control plane under addresses that it cannot know, so they verify this name
// against the control plane's own certificate authority.
const ServerName = "controlplane.corral.internal"

// The routes that an agent serves on streams that the control plane opens.
// {instance} is the name of an instance.
const (
	OllamaPath = "/ollama/" // /ollama/{instance}/api/chat is that instance's /api/chat
	LogsPath   = "/logs/"   // /logs/{instance}?lines=N&follow=BOOL: what it printed, as lines of text
)

// FaultField is the field by which an agent marks an answer as its own and not
// Ollama's. Its value is a kind of package fault and, after a space, a side; the
// body is the sentence.
const FaultField = "Corral-Fault"

// StreamField marks a request whose answer comes token by token, so that an
// agent can tell a generation that has stalled from one that answers at its end.
const StreamField = "Corral-Stream"

// DefaultInstance is the name of a host's only Ollama instance where nothing
// else was configured.
const DefaultInstance = "default"
