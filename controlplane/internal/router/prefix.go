package router

import "hash/maphash"

// A prompt's beginning is known by sums over blocks of it. Each sum covers its
// block and all before it, so that two prompts which begin alike have their
// first sums in common.
const (
	blockBytes = 256
	maxBlocks  = 64
)

// prefix is the beginning of a prompt.
type prefix struct {
	blocks int
	sums   [maxBlocks]uint32
}

// take sums a prompt. Salt stands for all that an Ollama puts before it.
func (p *prefix) take(seed maphash.Seed, prompt []byte, salt uint64) {
	p.blocks = min(len(prompt)/blockBytes, maxBlocks)
	sum := salt
	for i := range p.blocks {
		sum ^= maphash.Bytes(seed, prompt[i*blockBytes:(i+1)*blockBytes])
		sum *= 0x9e3779b97f4a7c15 // spreads what differs over all bits, and makes the order count
		sum ^= sum >> 32
		p.sums[i] = uint32(sum)
	}
}

// matches returns how many blocks two prompts have in common.
func (p *prefix) matches(other *prefix) int {
	n := min(p.blocks, other.blocks)
	for i := range n {
		if p.sums[i] != other.sums[i] {
			return i
		}
	}
	return n
}

// conversation is what one place of a runner holds in its cache.
type conversation struct {
	prefix prefix
	bytes  int    // of the whole prompt
	turn   uint64 // of its last use; 0 is a place that was never used
}

// matched returns how many bytes of a request's prompt the place has computed
// already.
func (c *conversation) matched(a *ask) int {
	blocks := c.prefix.matches(&a.prefix)
	if blocks == maxBlocks { // no more was summed; what follows is most likely the same
		return min(c.bytes, a.promptBytes)
	}
	return min(blocks*blockBytes, a.promptBytes)
}

// cache is what the places of a runner hold, as Ollama fills them: a prompt goes
// where most of it is already, else to the place that was not used for longest.
type cache []conversation

// matched returns the most that a place has of a request's prompt, in bytes.
func (c cache) matched(a *ask) int {
	if a.prefix.blocks == 0 {
		return 0
	}
	most := 0
	for i := range c {
		most = max(most, c[i].matched(a))
	}
	return most
}

// put notes that a request's prompt is being computed in one of so many places.
func (c cache) put(a *ask, places int, turn uint64) cache {
	if a.prefix.blocks == 0 {
		return c
	}
	best, most := -1, 0
	for i := range c {
		if m := c[i].matched(a); m > most {
			best, most = i, m
		}
	}
	switch {
	case best >= 0:
	case len(c) < min(places, maxPlaces):
		c, best = append(c, conversation{}), len(c)
	default:
		best = 0
		for i := range c {
			if c[i].turn < c[best].turn {
				best = i
			}
		}
	}
	c[best] = conversation{prefix: a.prefix, bytes: a.promptBytes, turn: turn}
	return c
}

// maxPlaces bounds what is remembered of one runner.
const maxPlaces = 32
