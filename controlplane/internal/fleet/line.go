package fleet

// Line is who waits for a model, and who is served.
type Line struct {
	Model   string `json:"model"` // its name, as it was last asked for
	Digest  string `json:"digest"`
	Places  int    `json:"places"`  // requests that its hosts serve at a time
	Serving int    `json:"serving"` // requests that have one of them
	Waiting int    `json:"waiting"`
}
