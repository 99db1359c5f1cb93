// Package failover decides whether a request that failed at one instance is
// sent to another.
//
// It is, when all of this holds: nothing of an answer has reached the client; to
// repeat the request does no more than to send it once; its body can be sent
// again; the failure was of the instance, so that another may do better; the
// attempts of this request are not used up, nor is its time; and the fleet as a
// whole does not already repeat so much that repeating would finish off a fleet
// that is dying.
package failover
