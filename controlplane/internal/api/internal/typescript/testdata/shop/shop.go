package shop

import (
	"encoding/json"
	"time"

	money "example.com/shop/shop/price"
)

// Order is what somebody wants.
//
// It may be empty.
type Order struct {
	Base
	ID string `json:"id"` // of this shop
	// Note is from the customer,
	// if there is one.
	Note     *string `json:"note"`
	Paid     *bool   `json:"paid,omitempty"`
	Secret   string  `json:"-"`
	Dash     int     `json:"-,"`
	hidden   int
	Untagged uint8
	A, B     float64
	At       time.Time       `json:"at"`
	Until    time.Time       `json:"until,omitzero"`
	Raw      json.RawMessage `json:"raw"`
	Hash     []byte          `json:"hash"`
	Items    []*item         `json:"items"`
	States   []State         `json:"states,omitempty"`
	Maybe    []*[]string     `json:"maybe"`
	Labels   map[string]*int `json:"labels"`
	Total    money.Amount    `json:"total"`
	Currency money.Currency  `json:"currency"`
	Any      any             `json:"any"`
	Inner    struct {
		Odd  bool       `json:"odd-name"`
		None []struct{} `json:"none"`
	} `json:"inner"`
}

// Base is in every order.
type Base struct {
	ID      int   `json:"id"` // hidden by the order's own
	Version int   `json:"version"`
	Parent  *item `json:"parent"`
}

// item is a line of an order */ and nothing else.
type item struct {
	Name string `json:"name"`
}

// State is how far an order is.
type State string

// The states.
const (
	Open   State = "open"
	Closed State = "closed" // for good
	other        = "no state"
)
