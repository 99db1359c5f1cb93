package router

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// traffic are the parameters of a trace.
type traffic struct {
	Seed          uint64
	Conversations int
	Every         time.Duration // mean time between two that begin
	Turns         int           // of a conversation, at most
	Think         time.Duration // mean time between an answer and the next turn
	SystemBytes   int           // of what all conversations of a model begin with
	TurnBytes     int           // mean length of what a turn adds
	Answer        int           // mean length of an answer in tokens
	Models        []string      // each half as popular as the one before it
	Contexts      []int         // num_ctx, drawn for each conversation; none leaves it to Ollama
}

// multiTurn is the trace that policies are compared on: conversations with
// three models, which do not all fit into one host.
func multiTurn() traffic {
	return traffic{
		Seed: 1, Conversations: 250, Every: 1500 * time.Millisecond, Turns: 8, Think: 6 * time.Second,
		SystemBytes: 2000, TurnBytes: 1800, Answer: 60, Models: []string{"large", "middle", "small"},
	}
}

// mixedOptions is a trace of one model that is wanted with two contexts.
func mixedOptions() traffic {
	return traffic{
		Seed: 2, Conversations: 150, Every: 2 * time.Second, Turns: 4, Think: 5 * time.Second,
		SystemBytes: 500, TurnBytes: 800, Answer: 40, Models: []string{"large"}, Contexts: []int{8192, 16384},
	}
}

// turnOf is one request of a trace. The next turn of its conversation is asked
// a while after its answer.
type turnOf struct {
	conversation int
	model        string
	context      int
	prompt       string
	answer       int // tokens
	think        time.Duration
	next         *turnOf
}

func (t *turnOf) body() []byte {
	options := ""
	if t.context > 0 {
		options = fmt.Sprintf(`,"options":{"num_ctx":%d}`, t.context)
	}
	return []byte(`{"model":"` + t.model + `","messages":[` + t.prompt + `]` + options + `}`)
}

// conversations returns the first turns of a trace, and when they are asked.
func (p traffic) conversations() ([]*turnOf, []time.Duration) {
	random := rand.New(rand.NewPCG(p.Seed, 7))
	spread := func(mean float64) float64 { return mean * (0.5 + random.Float64()) }
	var first []*turnOf
	var begin []time.Duration
	at := time.Duration(0)
	for c := range p.Conversations {
		at += time.Duration(random.ExpFloat64() * float64(p.Every))
		model := p.Models[len(p.Models)-1]
		for _, m := range p.Models {
			if random.IntN(2) == 0 {
				model = m
				break
			}
		}
		context := 0
		if len(p.Contexts) > 0 {
			context = p.Contexts[random.IntN(len(p.Contexts))]
		}
		said := message("system", model+" is helpful. ", p.SystemBytes)
		var turns []*turnOf
		for n := range 1 + random.IntN(p.Turns) {
			said += "," + message("user", fmt.Sprintf("%d asks %d. ", c, n), int(spread(float64(p.TurnBytes))))
			turns = append(turns, &turnOf{
				conversation: c, model: model, context: context, prompt: said,
				answer: int(spread(float64(p.Answer))), think: time.Duration(random.ExpFloat64() * float64(p.Think)),
			})
			said += "," + message("assistant", "Because. ", p.Answer*4)
		}
		for n := range turns[1:] {
			turns[n].next = turns[n+1]
		}
		first, begin = append(first, turns[0]), append(begin, at)
	}
	return first, slices.Clip(begin)
}

func message(role, words string, length int) string {
	return `{"role":"` + role + `","content":"` + strings.Repeat(words, 1+length/len(words)) + `"}`
}
