package fleet

import "time"

// maxSampleGap is how far apart two samples may be to count as consecutive:
// agents take one a second, and now and then one is missing or late.
const maxSampleGap = 3500 * time.Millisecond

// Rates are what a host moved each second between its last two samples. What is
// not known is nil.
type Rates struct {
	ReceivedBytesPerSecond *int64
	SentBytesPerSecond     *int64
	ReadBytesPerSecond     *int64
	WrittenBytesPerSecond  *int64
}

// RatesBetween returns the rates between two consecutive samples of one session
// of a host, and so of one boot. Counted is what both have: an interface or disk
// that came or went has no part in it. There is nothing to be known with one
// sample missing, after a gap, and of a direction in which a counter went back.
func RatesBetween(before, after *Sample) Rates {
	if before == nil || after == nil {
		return Rates{}
	}
	apart := after.TakenAt.Sub(before.TakenAt)
	if apart <= 0 || apart > maxSampleGap || after.UptimeSeconds < before.UptimeSeconds {
		return Rates{}
	}
	received, sent := growth(networkCounters(before), networkCounters(after))
	read, written := growth(diskCounters(before), diskCounters(after))
	return Rates{
		ReceivedBytesPerSecond: received.over(apart), SentBytesPerSecond: sent.over(apart),
		ReadBytesPerSecond: read.over(apart), WrittenBytesPerSecond: written.over(apart),
	}
}

// counters are the bytes that went in and out of a device since the host started.
type counters struct {
	in, out int64
}

func networkCounters(s *Sample) map[string]counters {
	byName := make(map[string]counters, len(s.Networks))
	for i := range s.Networks {
		if n := &s.Networks[i]; n.Interface != "lo" {
			byName[n.Interface] = counters{in: n.ReceivedBytes, out: n.SentBytes}
		}
	}
	return byName
}

func diskCounters(s *Sample) map[string]counters {
	byName := make(map[string]counters, len(s.DiskIO))
	for i := range s.DiskIO {
		d := &s.DiskIO[i]
		byName[d.Device] = counters{in: d.ReadBytes, out: d.WrittenBytes}
	}
	return byName
}

// grown is by how many bytes counters grew together.
type grown struct {
	bytes    int64
	devices  int
	wentBack bool
}

func (g *grown) add(before, after int64) {
	g.devices++
	g.bytes += after - before
	g.wentBack = g.wentBack || after < before
}

// over returns the growth for each second of d, or nil when it is not known.
func (g *grown) over(d time.Duration) *int64 {
	if g.devices == 0 || g.wentBack {
		return nil
	}
	perSecond := int64(float64(g.bytes) / d.Seconds())
	return &perSecond
}

// growth returns by how much the devices grew that are in both.
func growth(before, after map[string]counters) (in, out grown) {
	for name, now := range after {
		if was, there := before[name]; there {
			in.add(was.in, now.in)
			out.add(was.out, now.out)
		}
	}
	return in, out
}
