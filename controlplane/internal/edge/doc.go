// Package edge is fasthttp tamed: the one layer between the sockets of
// strangers and the handlers of the control plane.
//
// A handler gets a [Request], a value of its own that stays valid for as long
// as somebody holds it, and a context that ends when the client leaves, when
// the answer is written, or when the server stops. It returns a [Response] or
// an error; the error's kind becomes the status and the route's [Dialect] the
// shape of the body. Nothing of fasthttp's RequestCtx, whose memory is reused
// for the next client, passes this package.
//
// What the package takes care of, so that no handler has to:
//
//   - who calls and whether they may: a route cannot be added without a
//     [Permission], and its handler cannot be reached without a [Caller]
//   - limits: the head in bytes and in seconds, the body in bytes and by
//     progress, answers to clients that stop reading, open connections, addresses
//   - browsers: CORS, foreign origins, DNS rebinding
//   - a panic, which becomes a 500 and a log line and never ends the process
//   - WebSockets: one owner, one reader, one writer, and an end in which all
//     of them have ended ([Socket])
//   - plain HTTP and TLS on one port, and a shutdown that lets answers finish
//
// [Router.Route] is the only way to add a route, [New] puts a [Server]
// together, and [Server.Run] serves until its context ends.
package edge
