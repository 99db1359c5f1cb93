package breaker

import "time"

// Began tells that the first bytes of a request's answer came. The request goes
// on, and is ended as any other. It matters to probes alone: an instance that
// answers is reached, and a model whose trouble was that nothing came works
// again, so that others need not wait for the end of a long answer.
func (b *Breaker) Began(pass Pass) {
	if !pass.Probe() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[pass.at]
	if p == nil {
		return
	}
	now := b.now()
	if p.whole.probedBy(pass.wholeProbe) {
		b.close(pass.at, p.whole, now)
	}
	if one := p.models[pass.model]; one.probedBy(pass.modelProbe) && one.kind.early() {
		b.close(pass.at, one, now)
	}
}

// Succeeded tells that the whole answer came, an answer that blames the request
// included. It closes what was open when the request was sent; a request that
// was sent before the circuit opened closes nothing.
func (b *Breaker) Succeeded(pass Pass) {
	if b.known.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[pass.at]
	if p == nil {
		return
	}
	now := b.now()
	b.succeed(p, "", p.whole, pass, now)
	b.succeed(p, pass.model, p.models[pass.model], pass, now)
	b.tidy(pass.at, p)
}

// Failed tells that a request failed, in which way, and in one sentence that a
// user may see.
func (b *Breaker) Failed(pass Pass, kind Kind, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[pass.at]
	if p == nil {
		p = &place{models: map[string]*circuit{}}
		b.places[pass.at] = p
		b.known.Store(int64(len(b.places)))
	}
	now := b.now()
	switch {
	case kind.ofInstance():
		if p.whole == nil {
			p.whole = &circuit{since: now}
		}
		b.fail(p.whole, pass, pass.wholeProbe, kind, message, now)
	case kind == ServerError:
		b.succeed(p, "", p.whole, pass, now)
	case p.whole.probedBy(pass.wholeProbe):
		// The probe was to show that the instance answers, and it has not.
		b.fail(p.whole, pass, pass.wholeProbe, kind, message, now)
	}
	if !kind.ofModel() {
		p.models[pass.model].endProbe(pass.modelProbe)
	} else {
		one := p.models[pass.model]
		if one == nil {
			one = &circuit{since: now}
			p.models[pass.model] = one
		}
		b.fail(one, pass, pass.modelProbe, kind, message, now)
	}
	b.tidy(pass.at, p)
}

// Abandoned tells that a request ended for a reason that says nothing about the
// instance, such as that its client left. If it was a probe, the next request is one.
func (b *Breaker) Abandoned(pass Pass) {
	if !pass.Probe() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.places[pass.at]; p != nil {
		p.whole.endProbe(pass.wholeProbe)
		p.models[pass.model].endProbe(pass.modelProbe)
	}
}

// fail counts a failure. The caller holds mu.
func (b *Breaker) fail(c *circuit, pass Pass, probe uint64, kind Kind, message string, now time.Time) {
	switch {
	case c.probedBy(probe):
		c.note(kind, message, now)
		c.endProbe(probe)
		c.level++
		c.retryAt = now.Add(b.limits.pause(c.level, b.random()))
	case !c.open && pass.number >= c.changed:
		c.note(kind, message, now)
		c.run++
		c.recent.add(b.slot(now), true)
		if c.trips(b.limits, b.slot(now)) {
			b.trip(pass.at, c, now)
		}
	}
}

// succeed counts a success, and forgets a circuit that has no more failures to
// remember. The caller holds mu.
func (b *Breaker) succeed(p *place, model string, c *circuit, pass Pass, now time.Time) {
	if c == nil || pass.number < c.changed {
		return
	}
	if c.open {
		b.close(pass.at, c, now)
		return
	}
	c.run = 0
	c.recent.add(b.slot(now), false)
	if b.stale(c, now) {
		b.drop(pass.at, p, model, c)
	}
}

// trip opens a circuit. One that had closed a moment ago goes on with longer
// pauses: its probes succeed and nothing else does. The caller holds mu.
func (b *Breaker) trip(at instance, c *circuit, now time.Time) {
	if c.changed == 0 || now.Sub(c.since) > b.limits.Window {
		c.level = 0
	} else {
		c.level++
	}
	c.open, c.since, c.changed = true, now, b.number.Add(1)
	c.retryAt = now.Add(b.limits.pause(c.level, b.random()))
	b.countOpen(at, 1)
}

// close closes a circuit. Its level stays, for [Breaker.trip] to judge. The
// caller holds mu.
func (b *Breaker) close(at instance, c *circuit, now time.Time) {
	c.open, c.since, c.changed = false, now, b.number.Add(1)
	c.run, c.probe = 0, 0
	c.recent = window{}
	b.countOpen(at, -1)
}

// beginProbe makes a request the circuit's probe. The caller holds mu.
func (b *Breaker) beginProbe(c *circuit, now time.Time) uint64 {
	if c.probe != 0 {
		c.level++ // the one before was lost
	}
	c.probe, c.probeUntil = b.number.Add(1), now.Add(b.limits.ProbeLimit)
	return c.probe
}

// probedBy reports whether the probe under way has this number.
func (c *circuit) probedBy(probe uint64) bool { return c != nil && probe != 0 && c.probe == probe }

// endProbe ends the probe with this number, if it is the one under way, without
// a verdict.
func (c *circuit) endProbe(probe uint64) {
	if c.probedBy(probe) {
		c.probe = 0
	}
}

// slot returns the part of the window to which a moment belongs.
func (b *Breaker) slot(now time.Time) int64 { return slotOf(now.Sub(b.born), b.limits.Window) }

func (b *Breaker) stale(c *circuit, now time.Time) bool {
	return c.stale(b.slot(now), now, b.limits.Window)
}
