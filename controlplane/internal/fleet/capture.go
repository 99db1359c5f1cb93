package fleet

// Capture is what a request to a model asked and what it was answered: the
// bodies, as they passed by, and nothing of what stands in a header.
type Capture struct {
	Request    []byte
	RequestCut bool // there was more of it
	Answer     []byte
	AnswerCut  bool
}
