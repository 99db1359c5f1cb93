// Package fit works out whether a model of the catalogue fits on a host, before anything
// is brought there: what it takes by its header ([gguf.EstimateMemory]), what the host has
// free, and what models were seen to take there.
//
// An estimate is corrected by [Measurements]: where models of the same architecture took
// more or less on a host than was worked out for them, the next one is expected to do the
// same. What is known to the byte is shown as it is, and the correction beside it.
package fit
