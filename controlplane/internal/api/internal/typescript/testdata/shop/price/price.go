// Package price has prices.
package price

type (
	// Amount is an amount of money.
	Amount struct {
		Cents int64 `json:"cents"`
	}
	// Currency has no constants here.
	Currency string
)
