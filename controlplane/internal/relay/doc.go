// Package relay passes a request of Ollama's own API, or of those that it
// imitates, on to a host that has the model, and the answer back as it comes.
//
// What it adds is what Ollama leaves out: a stream that ends without saying so
// gets an error at its end, in the form that the client's library knows, so that
// half an answer is never taken for a whole one.
package relay
