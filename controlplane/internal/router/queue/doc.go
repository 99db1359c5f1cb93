// Package queue makes requests wait their turn for a model, so that whoever
// sends many waits longest.
//
// Each model has a line of its own, with as many places in service as its hosts
// have slots. Where the places are taken, requests wait, and each place that
// becomes free goes to the next by start-time fair queueing: every key has a
// tag, which grows by the cost of each of its requests that is let in, and the
// key with the smallest tag is next. Keys that want more than there is get equal
// shares of the service in terms of cost, whatever each of them sends; a key
// that comes back starts at the tag that is being served, so that it neither
// saves up for later nor pays for service that nobody else wanted. Requests of
// one key and priority are served in the order in which they came.
//
// Priorities are shares too: among the levels that have something waiting, each
// gets four times the service of the one below. A level that waits falls behind
// the others with all that they are given, which moves it forward: it ages by
// the service of others instead of by the hour, and never starves.
//
// Letting in and leaving cost time that grows with the logarithm of the number of
// keys that wait.
package queue
