package chattemplate

import "encoding/json"

// near is how many letters a template may differ from one that Ollama knows, to be
// taken for it: fewer.
const near = 100

// closest returns the name of the template that Ollama takes for one in Jinja: the
// first of those that differ from it by the fewest letters.
func closest(jinja string) (name string, ok bool) {
	best := near
	for _, k := range index() {
		if d := distance(jinja, k.Template, best); d < best {
			best, name = d, k.Name
		}
	}
	return name, name != ""
}

type indexed struct {
	Name     string `json:"name"`
	Template string `json:"template"`
}

func index() []indexed {
	text, err := files.ReadFile("ollama/index.json")
	var all []indexed
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil { // a test reads it
		panic(err)
	}
	return all
}

// distance returns how many letters have to be put in, left out or replaced to make one
// text of another, and bound where that is bound at least. It takes time by the length
// of the texts and the bound alone: one of them is a stranger's.
func distance(a, b string, bound int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= bound || len(y)-len(x) >= bound {
		return bound
	}
	// A row has the distances of the beginning of x to the beginnings of y. Those far
	// from the diagonal are beyond the bound.
	above, row := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range above {
		above[j] = min(j, bound)
	}
	for i := 1; i <= len(x); i++ {
		from, to := max(1, i-bound), min(len(y), i+bound)
		row[from-1] = bound
		if from == 1 {
			row[0] = min(i, bound)
		}
		least := row[from-1]
		for j := from; j <= to; j++ {
			replaced := above[j-1]
			if x[i-1] != y[j-1] {
				replaced++
			}
			row[j] = min(replaced, row[j-1]+1, bound)
			if j < i+bound { // what is above is in reach
				row[j] = min(row[j], above[j]+1)
			}
			least = min(least, row[j])
		}
		if to < len(y) {
			row[to+1] = bound
		}
		if least >= bound {
			return bound
		}
		above, row = row, above
	}
	return min(above[len(y)], bound)
}
