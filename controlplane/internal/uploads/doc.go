// Package uploads takes files of models in, as they come from browsers and command
// lines: over lines that break, with restarts on either side, and too large to send twice.
//
// An upload is a record in the store and files in the staging folder, those of one model,
// whose bytes come one file after the other. They are hashed while they arrive. From time to time what came is flushed to the disk and noted
// in the record, together with the state of the hash, and only that counts: after a kill
// an upload goes on from there, and nothing is read again. A [Batch] is the same for
// what comes in one request, which leaves no record and nothing to go on with.
//
// What happens with files that are complete is the business of a [Sink].
package uploads
