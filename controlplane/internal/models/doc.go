// Package models has the catalogue: models whose files are in a storage once, and which
// hosts are to have them. What hosts are to have is kept so: one that was away gets it
// when it is back, and what somebody deleted from a host behind our back comes again.
//
// The parts: a [Service] takes files in (take.go), says what there is (list.go), is told
// what is wanted where (want.go), and brings that about (reconcile.go), host by host
// (load.go, remove.go). Each thing that takes a while is an operation, of package
// operations below this one.
package models
