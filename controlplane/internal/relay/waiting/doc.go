// Package waiting keeps a client that waits for its turn, or for a model to be
// loaded, from giving up.
//
// A short wait is told in the answer's header alone, and an error still has its
// status. A request for a stream that has waited for [Patience] gets its head
// then and, until its answer begins, now and again something that its protocol
// takes for a sign of life: an object without content in Ollama's own, a comment
// among OpenAI's events, a ping among Anthropic's. From there on an error can be
// told in the stream alone, in the client's dialect.
package waiting
