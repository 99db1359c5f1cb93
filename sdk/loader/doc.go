// Package loader is the contract between Corral and what knows formats of models. A
// loader looks at files, says what they are, and plans: the plan is a [Recipe], which
// somebody else carries out. A loader reaches nothing, changes nothing and remembers
// nothing, so that one can be run on anybody's files, and be tested without a GPU.
//
// A loader implements [Loader], three methods. What it promises by their sentences is
// what package loadertest checks, one by one.
//
// Errors are those of package fault. What is of the files, or of what is asked of them,
// is Invalid, Corrupt, TooLarge, NotFound, NotImplemented or Conflict, with a sentence
// that whoever has the files understands. An error of any other kind, or of none, is
// one of the loader's.
package loader
