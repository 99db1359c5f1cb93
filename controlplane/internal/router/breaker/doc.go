// Package breaker remembers failures, of instances and of single models on
// them, and keeps requests away from what has failed too often until a probe
// shows that it works again.
//
// Two things can be out of order. An instance that can't be reached fails
// whatever it is asked; a model that its runner can't run fails alone, while the
// instance goes on to serve others. So each instance has a circuit, and each
// model on it has one as well, and a request passes when both let it. The [Kind]
// of a failure says on which of them it counts:
//
//	failure        of the instance   of the model there
//	[Refused]      counts            says nothing
//	[BrokenOff]    counts            counts
//	[NoFirstToken] says nothing      counts
//	[ServerError]  shows it works    counts
//	[BrokenAnswer] says nothing      counts
//	[Stalled]      says nothing      counts
//
// What the caller caused counts nowhere: a request that was wrong, a key that
// was revoked, a client that left. Such a request is [Breaker.Abandoned], or, when
// the instance answered it as it should have, [Breaker.Succeeded]. So is one that a
// full queue turned away: that is no fault.
//
// A circuit opens after so many failures in a row, or when so large a share of
// enough requests failed within a while. It stays open for a pause, and then one
// request passes as a probe. If that succeeds, the circuit closes; if it fails,
// the next pause is longer. [Breaker.Reset] closes it without one. Nothing here runs by itself: time passes by being
// looked at.
package breaker
