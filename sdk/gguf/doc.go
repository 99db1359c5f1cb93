// Package gguf reads the headers of GGUF files, which hold the models that Ollama and
// llama.cpp run, and tells from a header alone what a model is and how much memory
// it will take.
//
//	h, err := gguf.Read(file, size)       // reads the header, in few large pieces
//	info := gguf.Describe(h)              // what it is
//	err = gguf.Check(h)                   // whether engines can do with it
//	e, err := gguf.EstimateMemory(h, o)   // whether it will fit
//
// A header is data from a stranger: programs that run models have crashed on files of
// forty bytes. [Read] refuses what breaks the format or goes beyond its limits, before
// it allocates for it, and says in words what is wrong and at which byte. It never
// reads the weights.
//
// Errors carry [fault.Invalid] where the file is to blame. Where the reader of the
// file failed, they carry the kind and the side of its error. All functions may be
// called by several goroutines at once; values that they return are not changed
// afterwards.
package gguf
