// Package auth makes and checks what callers prove themselves with: API keys,
// the sessions of browsers and the links that open them, join tokens for agents,
// and one-time tickets for WebSockets.
//
// A secret leaves the package once, when it is made, as a [Secret] that no log
// shows by mistake. What is stored is its hash alone.
package auth
