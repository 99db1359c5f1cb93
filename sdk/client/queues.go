package client

import "context"

// Queue is who waits for a model, and who is served.
type Queue struct {
	Model   string `json:"model"` // its name, as it was last asked for
	Digest  string `json:"digest"`
	Places  int    `json:"places"`  // requests that its hosts serve at a time
	Serving int    `json:"serving"` // requests that have one of them
	Waiting int    `json:"waiting"`
}

// Queues returns the models that requests wait for, those with the most first. It
// needs the role viewer.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var all []Queue
	err := c.ask(ctx, get("api", "routing", "queues"), &all)
	return all, err
}
