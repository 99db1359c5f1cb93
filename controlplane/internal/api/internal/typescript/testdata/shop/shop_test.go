package shop

// Order in a test is another one.
type Order struct{}
