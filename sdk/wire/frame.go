package wire

// Frame is one message of the protocol. The concrete types are [*Challenge],
// [*Hello], [*Welcome], [*Reject], [*Ping], [*Pong], [*Sample], [*Ack],
// [*Instances], [*Action], [*ActionResult], [*Goodbye], [*Leaving], [*GPUReport],
// [*PeerTickets] and [*Unknown].
type Frame interface {
	message
	number() fieldNumber
}

// The number of each frame in the envelope. Numbers are never reused.
const (
	numChallenge    fieldNumber = 1
	numHello        fieldNumber = 2
	numWelcome      fieldNumber = 3
	numReject       fieldNumber = 4
	numPing         fieldNumber = 5
	numPong         fieldNumber = 6
	numSample       fieldNumber = 7
	numAck          fieldNumber = 8
	numInstances    fieldNumber = 9
	numAction       fieldNumber = 10
	numActionResult fieldNumber = 11
	numGoodbye      fieldNumber = 12
	numLeaving      fieldNumber = 13
	numGPUReport    fieldNumber = 14
	numPeerTickets  fieldNumber = 15
)

// newFrame returns an empty frame for a number, or nil for an unknown one.
func newFrame(num fieldNumber) Frame {
	switch num {
	case numChallenge:
		return &Challenge{}
	case numHello:
		return &Hello{}
	case numWelcome:
		return &Welcome{}
	case numReject:
		return &Reject{}
	case numPing:
		return &Ping{}
	case numPong:
		return &Pong{}
	case numSample:
		return &Sample{}
	case numAck:
		return &Ack{}
	case numInstances:
		return &Instances{}
	case numAction:
		return &Action{}
	case numActionResult:
		return &ActionResult{}
	case numGoodbye:
		return &Goodbye{}
	case numLeaving:
		return &Leaving{}
	case numGPUReport:
		return &GPUReport{}
	case numPeerTickets:
		return &PeerTickets{}
	}
	return nil
}

// Unknown stands for a frame that this build does not know. Receivers skip it;
// senders make one only to see to it that receivers do.
type Unknown struct {
	Number  uint32 // its number in the envelope, 1000 or more when sent on purpose
	Payload []byte
}

func (u *Unknown) number() fieldNumber { return fieldNumber(u.Number) }
func (u *Unknown) fields(c *codec)     { c.raw(u.Payload) }

// Ping asks the peer for a [Pong] with the same id.
type Ping struct {
	ID         uint64
	UnixMillis int64 // the sender's clock
}

func (*Ping) number() fieldNumber { return numPing }
func (p *Ping) fields(c *codec) {
	c.uint64(1, &p.ID)
	c.int64(2, &p.UnixMillis)
}

// Pong answers a [Ping].
type Pong struct {
	ID           uint64
	UnixMillis   int64 // the answering side's clock
	SteadyMillis int64 // as in [Hello]; of an agent alone
}

func (*Pong) number() fieldNumber { return numPong }
func (p *Pong) fields(c *codec) {
	c.uint64(1, &p.ID)
	c.int64(2, &p.UnixMillis)
	c.int64(3, &p.SteadyMillis)
}

// Ack says that every sample up to and including Seq, of the agent's current
// run, is stored. The agent forgets them.
type Ack struct {
	Seq uint64
}

func (*Ack) number() fieldNumber { return numAck }
func (a *Ack) fields(c *codec)   { c.uint64(1, &a.Seq) }

// Goodbye announces that the sender closes the session on purpose.
type Goodbye struct {
	Reason string
	Asleep bool // the host goes to sleep: the sender is back when it wakes
}

func (*Goodbye) number() fieldNumber { return numGoodbye }
func (g *Goodbye) fields(c *codec) {
	c.string(1, &g.Reason)
	c.bool(2, &g.Asleep)
}

// Leaving announces that the agent is about to say [Goodbye]: it takes on no new
// requests, and lets those under way end. A peer that does not know the frame
// learns of it by the requests that are refused.
type Leaving struct {
	GraceMillis uint32 // the longest that it waits for them
}

func (*Leaving) number() fieldNumber { return numLeaving }
func (l *Leaving) fields(c *codec)   { c.uint32(1, &l.GraceMillis) }

// PeerTickets says that tickets of package peer are good by another key from now on, and
// those before no longer, since a host was removed.
type PeerTickets struct {
	Key []byte // as in [Welcome]
}

func (*PeerTickets) number() fieldNumber { return numPeerTickets }
func (p *PeerTickets) fields(c *codec)   { c.bytes(1, &p.Key) }
