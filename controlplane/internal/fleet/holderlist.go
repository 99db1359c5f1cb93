package fleet

import "slices"

// holderList is who holds one model, or did when last heard of, in no order.
type holderList struct {
	holders []Holder
	owners  []*holding // whose the holder at the same place is
}

// holding is what one host's instances hold of one model.
type holding struct {
	host   *entry
	list   *holderList
	told   []Holder // by the instances alone, whatever the host is like
	places []int    // where the list has them
}

// tell replaces what a host's instances hold.
func (h *holding) tell(holders []Holder) {
	h.told = holders
	h.list.put(h)
}

// put has the list show what was told, and what is known of the host.
func (l *holderList) put(h *holding) {
	for len(h.places) > len(h.told) {
		l.drop(h)
	}
	for len(h.places) < len(h.told) {
		h.places = append(h.places, len(l.holders))
		l.holders, l.owners = append(l.holders, Holder{}), append(l.owners, h)
	}
	for i, place := range h.places {
		l.holders[place] = h.told[i]
		l.holders[place].Serves = h.told[i].Serves && h.host.able
	}
}

// drop takes the latest place of a holding away. What is last in the list moves there.
func (l *holderList) drop(h *holding) {
	place, last := h.places[len(h.places)-1], len(l.holders)-1
	h.places = h.places[:len(h.places)-1]
	if moved := l.owners[last]; place != last {
		moved.places[slices.Index(moved.places, last)] = place
		l.holders[place], l.owners[place] = l.holders[last], moved
	}
	l.holders[last], l.owners[last] = Holder{}, nil
	l.holders, l.owners = l.holders[:last], l.owners[:last]
}

// disagree reports whether there is more than one digest.
func disagree(holders []Holder) bool {
	for i := 1; i < len(holders); i++ {
		if holders[i].Digest != holders[0].Digest {
			return true
		}
	}
	return false
}

// electDigest returns the digest that a name stands for: the preferred one where a host
// that is here holds it, or "" when no host that could tell is here.
func (l *holderList) electDigest(preferred string) string {
	votes := ballot{}
	for i, h := range l.owners {
		if h.host.current() {
			votes.add(l.holders[i].Digest, h.host.view.ID)
		}
	}
	if len(votes) == 0 {
		return ""
	}
	if votes[preferred] != nil {
		return preferred
	}
	return votes.ranked()[0]
}
