// Package live is what dashboards hear without asking again: WebSockets on which
// a client asks by events and is told of changes, in two dialects on one
// endpoint, and a plain stream of metrics.
//
// A connection is a [session]: who it is, what it wants to hear, the dialect in
// which it is spoken to ([framing]). The two dialects, raw JSON frames and
// Socket.IO, differ in how a session begins and how events are framed; what the
// events do is the same code. A hub pushes to all sessions at once: what it has
// to say is encoded once and framed once for each dialect, however many listen.
//
// What a client hears unasked is what existing dashboards know. The rest, every
// host and its numbers, is larger, and pushed to those alone who subscribe to it.
//
// Answers are sent, pushes are offered: a client that cannot keep up loses pushes
// that newer ones replace, and never an answer.
package live
