package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
)

// NonceSize is the length of a challenge's nonce in bytes.
const NonceSize = 32

// Challenge opens the handshake.
type Challenge struct {
	Nonce      []byte // NonceSize random bytes, used once
	MinVersion uint32 // oldest version that the control plane accepts
	MaxVersion uint32
	UnixMillis int64 // the control plane's clock
}

func (*Challenge) number() fieldNumber { return numChallenge }
func (ch *Challenge) fields(c *codec) {
	c.bytes(1, &ch.Nonce)
	c.uint32(2, &ch.MinVersion)
	c.uint32(3, &ch.MaxVersion)
	c.int64(4, &ch.UnixMillis)
}

// Hello says who the agent is and proves it.
type Hello struct {
	Version    uint32 // what both will speak
	PublicKey  []byte // Ed25519; the host's identity
	Signature  []byte // of [Hello.SigningBytes] by that key
	Token      string // only to join: a one-time token
	RunID      string // random, one for each start of the agent; samples are counted in it
	UnixMillis int64  // the agent's clock; never trusted, only compared
	Host       HostFacts
	// Leave asks to forget the host and to refuse its key from now on. The
	// handshake ends with [RejectRemoved] where that was done.
	Leave bool
	// SteadyMillis is the clock by which samples are dated: the agent's as it was
	// when the run began, and that nobody has set since. 0 is that they are dated by
	// that of UnixMillis.
	SteadyMillis int64
}

func (*Hello) number() fieldNumber { return numHello }
func (h *Hello) fields(c *codec) {
	c.uint32(1, &h.Version)
	c.bytes(2, &h.PublicKey)
	c.bytes(3, &h.Signature)
	c.string(4, &h.Token)
	c.string(5, &h.RunID)
	c.int64(6, &h.UnixMillis)
	c.message(7, &h.Host)
	c.bool(8, &h.Leave)
	c.int64(9, &h.SteadyMillis)
}

// What an agent signs a hello for.
const (
	purposeSession = "corral agent handshake v1"
	purposeLeave   = "corral agent leaving v1"
)

// SigningBytes returns what the agent signs: a purpose, the nonce of this very
// handshake, and everything by which the control plane will know the session.
func (h *Hello) SigningBytes(nonce []byte) []byte {
	purpose := purposeSession
	if h.Leave {
		purpose = purposeLeave
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(purpose), nonce, h.PublicKey, []byte(h.Token), []byte(h.RunID)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		sum.Write(size[:])
		sum.Write(part)
	}
	return sum.Sum(nil)
}

// Sign fills in the public key and the signature.
func (h *Hello) Sign(key ed25519.PrivateKey, nonce []byte) {
	h.PublicKey = key.Public().(ed25519.PublicKey)
	h.Signature = ed25519.Sign(key, h.SigningBytes(nonce))
}

// Verify reports whether the hello was signed for this nonce by the key that it names.
func (h *Hello) Verify(nonce []byte) bool {
	return len(h.PublicKey) == ed25519.PublicKeySize &&
		ed25519.Verify(h.PublicKey, h.SigningBytes(nonce), h.Signature)
}

// HostFacts are what rarely changes on a host. They are told once a session.
type HostFacts struct {
	Name         string // the name asked for; the control plane may give another
	Hostname     string
	OS           string // such as "linux"
	Platform     string // such as "debian 12.5"
	Arch         string // such as "amd64"
	Kernel       string
	MachineID    string // hash of the machine id; equal on clones of one image
	BootID       string // the kernel's; new at each boot
	AgentVersion string
	CPUModel     string
	CPUCores     uint32 // logical
	MemoryBytes  uint64
	Labels       []Label
	PeerAddress  string // host:port by which other hosts get models from this one; "" where they don't
}

func (h *HostFacts) fields(c *codec) {
	c.string(1, &h.Name)
	c.string(2, &h.Hostname)
	c.string(3, &h.OS)
	c.string(4, &h.Platform)
	c.string(5, &h.Arch)
	c.string(6, &h.Kernel)
	c.string(7, &h.MachineID)
	c.string(8, &h.BootID)
	c.string(9, &h.AgentVersion)
	c.string(10, &h.CPUModel)
	c.uint32(11, &h.CPUCores)
	c.uint64(12, &h.MemoryBytes)
	list(c, 13, &h.Labels)
	c.string(14, &h.PeerAddress)
}

// Label is a name and a value that an operator gave to a host.
type Label struct {
	Name, Value string
}

func (l *Label) fields(c *codec) {
	c.string(1, &l.Name)
	c.string(2, &l.Value)
}

// Welcome ends a handshake that succeeded.
type Welcome struct {
	HostID         string // opaque, stable for the agent's key
	Name           string // what the host is called
	Version        uint32
	SessionEpoch   uint64 // grows with each session of the host
	AckedSeq       uint64 // of this run: samples up to here need not be sent again
	CACertificates []byte // PEM; pinned by an agent that joins
	PeerTicketKey  []byte // Ed25519; signs tickets of package peer
}

func (*Welcome) number() fieldNumber { return numWelcome }
func (w *Welcome) fields(c *codec) {
	c.string(1, &w.HostID)
	c.string(2, &w.Name)
	c.uint32(3, &w.Version)
	c.uint64(4, &w.SessionEpoch)
	c.uint64(5, &w.AckedSeq)
	c.bytes(6, &w.CACertificates)
	c.bytes(7, &w.PeerTicketKey)
}

// Reject ends a handshake that failed, with the reason.
type Reject struct {
	Code             string // one of the codes below
	Message          string // a sentence for the agent's log
	RetryAfterMillis uint32 // how long to stay away; 0 leaves it to the agent
}

func (*Reject) number() fieldNumber { return numReject }
func (r *Reject) fields(c *codec) {
	c.string(1, &r.Code)
	c.string(2, &r.Message)
	c.uint32(3, &r.RetryAfterMillis)
}

// The codes of a [Reject].
const (
	RejectVersion           = "unsupported_version" // no common protocol version
	RejectProof             = "bad_proof"           // the signature is not by the key that was named
	RejectNotJoined         = "not_joined"          // the key is unknown and no token came with it
	RejectToken             = "bad_token"           // forged, expired, used up or revoked
	RejectDuplicateIdentity = "duplicate_identity"  // another live agent holds the same key
	RejectPending           = "pending"             // the host waits for an operator's approval
	RejectRemoved           = "removed"             // the answer to a hello that leaves: the host is forgotten
	RejectMalformed         = "malformed"           // not the frame that was expected
	RejectBusy              = "busy"                // too many handshakes at once
)
