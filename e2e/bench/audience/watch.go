package audience

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// Attendance is what an audience took in.
type Attendance struct {
	Sockets    int
	Fewest     int           // updates of the socket that got the fewest
	Most       int           // updates of the socket that got the most
	LongestGap time.Duration // without an update, on any socket
	Distinct   int           // updates that differ in any byte
	Bytes      uint64        // of all updates on all sockets
	Lost       int           // sockets that broke
	FirstLoss  error         // why the first of them did
}

// seat is what one socket took in.
type seat struct {
	updates int
	bytes   uint64
	gap     time.Duration
	prints  map[uint64]struct{} // fingerprints of the updates
	err     error
}

// Watch takes in what comes for the given time. It may be called once: it
// leaves the sockets unreadable. When ctx ends it closes them and fails.
func (a *Audience) Watch(ctx context.Context, over time.Duration) (Attendance, error) {
	unhook := context.AfterFunc(ctx, func() {
		for _, conn := range a.seats {
			conn.NetConn().Close()
		}
	})
	defer unhook()
	seed := maphash.MakeSeed()
	from := time.Now()
	seats := make([]seat, len(a.seats))
	var wg sync.WaitGroup
	for i := range a.seats {
		wg.Go(func() { seats[i] = a.sit(i, seed, from, from.Add(over)) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Attendance{}, fmt.Errorf("audience: %w", err)
	}
	return sum(seats), nil
}

// sit reads one socket until the time is over.
func (a *Audience) sit(i int, seed maphash.Seed, from, until time.Time) seat {
	s := seat{prints: map[uint64]struct{}{}}
	conn := a.seats[i]
	if s.err = conn.SetReadDeadline(until); s.err != nil {
		return s
	}
	latest := from
	for {
		_, message, err := conn.ReadMessage()
		now := time.Now()
		if err != nil {
			if now.Before(until) {
				s.err = err
			}
			s.gap = max(s.gap, min(now.Sub(latest), until.Sub(latest)))
			return s
		}
		var frame struct {
			Type string `json:"type"`
		}
		if s.err = json.Unmarshal(message, &frame); s.err != nil {
			return s
		}
		if frame.Type != "metrics_update" {
			continue
		}
		s.gap = max(s.gap, now.Sub(latest))
		latest = now
		s.updates++
		s.bytes += uint64(len(message))
		s.prints[maphash.Bytes(seed, message)] = struct{}{}
	}
}

// sum makes one attendance of those of all sockets.
func sum(seats []seat) Attendance {
	att := Attendance{Sockets: len(seats)}
	prints := map[uint64]struct{}{}
	for i, s := range seats {
		if i == 0 || s.updates < att.Fewest {
			att.Fewest = s.updates
		}
		att.Most = max(att.Most, s.updates)
		att.LongestGap = max(att.LongestGap, s.gap)
		att.Bytes += s.bytes
		for print := range s.prints {
			prints[print] = struct{}{}
		}
		if s.err != nil {
			att.Lost++
			if att.FirstLoss == nil {
				att.FirstLoss = s.err
			}
		}
	}
	att.Distinct = len(prints)
	return att
}
