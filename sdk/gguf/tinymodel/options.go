package tinymodel

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// The replies of models whose options name none.
const (
	DefaultReply     = "Hello from Corral! Your request found a free host and this tiny model answered."
	DefaultLoopReply = " tick tock" // its leading space keeps the repetitions apart
)

// Architecture is the layout of a model's blocks, which also decides what runs
// it: Ollama gives Llama and Qwen2 to its llama.cpp runner and Qwen3 to the
// engine of its own.
type Architecture string

// The architectures that can be written.
const (
	Llama Architecture = "llama"
	Qwen2 Architecture = "qwen2"
	Qwen3 Architecture = "qwen3"
)

// Options describe a model. The zero value is a model of about 2.7 MB that says
// [DefaultReply] and ends. A zero field has the default that its comment names.
type Options struct {
	Reply        string       // what the model says, whatever it is asked; "" is DefaultReply, or DefaultLoopReply with Loop
	Loop         bool         // say it again and again, until the engine ends it: Ollama does after ten contexts
	Name         string       // general.name; "" is "tiny"
	Architecture Architecture // "" is Llama

	Dim           int // embedding length; 0 is 256. A reply has at most Dim/2-1 pieces
	Layers        int // blocks; 0 is 2
	Heads         int // attention heads, which divide Dim into even parts; 0 is 4
	KVHeads       int // key and value heads, which divide Heads; 0 is half of Heads when that is whole, else Heads
	FeedForward   int // feed-forward length; 0 is twice Dim
	ContextLength int // declared context in tokens; 0 is 4096. It costs nothing here, and memory where the model runs

	Seed uint64   // varies the weights that do not matter to the reply
	Omit []string // metadata keys and tensor names to leave out, for files that an engine must refuse
}

// Bounds beyond which a model is no longer tiny, or its noise could drown its
// reply.
const (
	maxDim         = 16384
	maxLayers      = 128
	maxFeedForward = 65536
)

// withDefaults fills in the defaults and says what is impossible.
func (o Options) withDefaults() (Options, error) {
	orDefault(&o.Architecture, Llama)
	orDefault(&o.Name, "tiny")
	if o.Loop {
		orDefault(&o.Reply, DefaultLoopReply)
	}
	orDefault(&o.Reply, DefaultReply)
	orDefault(&o.Dim, 256)
	orDefault(&o.Layers, 2)
	orDefault(&o.Heads, 4)
	if o.Heads%2 == 0 {
		orDefault(&o.KVHeads, o.Heads/2)
	}
	orDefault(&o.KVHeads, o.Heads)
	orDefault(&o.FeedForward, 2*o.Dim)
	orDefault(&o.ContextLength, 4096)
	if err := o.checkSizes(); err != nil {
		return Options{}, err
	}
	return o, o.checkText()
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) checkSizes() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"Dim", o.Dim, maxDim},
		{"Layers", o.Layers, maxLayers},
		{"Heads", o.Heads, maxDim},
		{"KVHeads", o.KVHeads, maxDim},
		{"FeedForward", o.FeedForward, maxFeedForward},
		{"ContextLength", o.ContextLength, math.MaxInt32},
	} {
		if f.value < 0 || f.value > f.max {
			return fmt.Errorf("%s is %d: it must lie between 1 and %d", f.name, f.value, f.max)
		}
	}
	switch {
	case o.Dim%o.Heads != 0:
		return fmt.Errorf("%d heads do not divide a Dim of %d", o.Heads, o.Dim)
	case o.headDim()%2 != 0:
		return fmt.Errorf("each of %d heads has %d of %d dimensions: rotary positions need an even number", o.Heads, o.headDim(), o.Dim)
	case o.Heads%o.KVHeads != 0:
		return fmt.Errorf("%d KVHeads do not divide %d Heads", o.KVHeads, o.Heads)
	}
	return nil
}

func (o Options) checkText() error {
	switch o.Architecture {
	case Llama, Qwen2, Qwen3:
	default:
		return fmt.Errorf("architecture %q is not one of llama, qwen2, qwen3", o.Architecture)
	}
	if !utf8.ValidString(o.Reply) || !utf8.ValidString(o.Name) {
		return errors.New("the reply and the name must be UTF-8")
	}
	for _, c := range controls() {
		if strings.Contains(o.Reply, c) {
			return fmt.Errorf("a reply cannot contain %s, which controls the chat", c)
		}
	}
	cut := pieces(o.Reply)
	if cut[0] == lastOfPrompt { // all the others begin with a space
		return errors.New("the first word of a reply cannot be a line break: every prompt ends with one")
	}
	if most := o.Dim/2 - 1; len(cut) > most {
		return fmt.Errorf("the reply has %d pieces: a Dim of %d allows %d", len(cut), o.Dim, most)
	}
	return nil
}

func (o Options) headDim() int { return o.Dim / o.Heads }
