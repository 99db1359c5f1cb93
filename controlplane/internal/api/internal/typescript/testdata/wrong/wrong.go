package wrong

import (
	"time"

	"example.com/elsewhere"
)

type Lasting struct {
	For time.Duration `json:"for"`
}

type Foreign struct {
	elsewhere.Thing
}

type Keyed struct {
	By map[int]string `json:"by"`
}

type Quoted struct {
	Number int `json:"number,string"`
}

type Channel struct {
	C chan int `json:"c"`
}

type Generic[T any] struct {
	T T `json:"t"`
}

type Custom struct{}

func (c *Custom) MarshalJSON() ([]byte, error) { return nil, nil }

type Dangling struct {
	Missing Nowhere `json:"missing"`
}

type thing struct{}

type Thing struct {
	Other thing `json:"other"`
}

type Embeds struct {
	Text
}

type Text string
