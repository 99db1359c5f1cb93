// Package storagerpc carries the storage contract between a plugin and its host: a
// server for any backend, and a client that is one.
package storagerpc

// DataBytes is how much of an object one message carries. With the few bytes around
// it a message just fits the largest buffer that grpc-go pools; 64 KiB and exactly
// 1 MiB are its worst sizes.
const DataBytes = 1_047_552

// socketBytes is how much passes the data socket at a time. It is less than the system
// keeps for one, so that both ends work at the same time.
const socketBytes = 256 << 10

// listBatch is how many objects one message of a listing has.
const listBatch = 500
