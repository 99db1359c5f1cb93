// Package pki is the control plane's own certificate authority and the server
// certificate that it signs.
//
// Agents trust this authority alone: a join token carries its fingerprint, and
// a server shows the authority's certificate beside its own, so an agent that
// knows nothing but the fingerprint can verify the very first connection.
// Losing the authority means that every agent must join anew, so it is made
// once, and a file of it that is damaged is an error and never replaced.
package pki
