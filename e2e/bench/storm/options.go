package storm

import (
	"fmt"
	"math"
)

// Options say which hosts are simulated.
type Options struct {
	Address     string // of the control plane, such as 127.0.0.1:11435
	Token       string // that so many hosts may join by
	Hosts       int
	GPUsPerHost int
	Models      int // how many different ones the fleet has, at most [MaxModels]
}

// MaxModels is how many different models a simulated fleet can have.
const MaxModels = len(catalogue)

// maxGPUs is how many GPUs a simulated host may have.
const maxGPUs = 64

// Simulate returns a fleet whose hosts tell of GPUs, models and numbers that
// move, as hosts at work do, and answer chats. Each has the label simulated=true.
// In every fleet something is wrong: one GPU is too hot, one is lost, and of many
// hosts one has an Ollama that stalls.
func Simulate(o Options) (*Fleet, error) {
	if o.Hosts < 1 || o.Hosts > math.MaxInt16 || o.GPUsPerHost < 0 || o.GPUsPerHost > maxGPUs || o.Models < 0 || o.Models > MaxModels {
		return nil, fmt.Errorf("storm: %d hosts, %d GPUs each and %d models: wanted are 1 to %d, 0 to %d and 0 to %d",
			o.Hosts, o.GPUsPerHost, o.Models, math.MaxInt16, maxGPUs, MaxModels)
	}
	f, err := New(o.Address, o.Token, o.Hosts)
	if err != nil {
		return nil, err
	}
	for n, a := range f.agents {
		a.name = fmt.Sprintf("sim-%03d", n)
		a.machine = newMachine(n, o)
	}
	return f, nil
}
