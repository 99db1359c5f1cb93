package router

import "testing"

// TestReloadsAreForeseen holds our rule to Ollama's own.
func TestReloadsAreForeseen(t *testing.T) {
	with := func(set ...any) *runnerOptions {
		var o runnerOptions
		for i := 0; i < len(set); i += 2 {
			if on, ok := set[i+1].(bool); ok {
				o.setMMap(on)
				continue
			}
			o.set(set[i].(option), set[i+1].(int))
		}
		return &o
	}
	for name, c := range map[string]struct {
		loaded, asked *runnerOptions
		context       int
		want          bool
	}{
		"nothing set":                    {with(), with(), 0, false},
		"the same context":               {with(numCtx, 8192), with(numCtx, 8192), 0, false},
		"another context":                {with(numCtx, 8192), with(numCtx, 4096), 8192, true},
		"no context after one":           {with(numCtx, 8192), with(), 8192, true},
		"a context after none":           {with(), with(numCtx, 8192), 4096, true},
		"the default's length, spelled":  {with(), with(numCtx, 4096), 4096, false},
		"a length that nobody told":      {with(), with(numCtx, 4096), 0, true},
		"contexts below the least":       {with(numCtx, 1), with(numCtx, 3), 0, false},
		"another batch":                  {with(), with(numBatch, 256), 0, true},
		"the default batch, spelled":     {with(), with(numBatch, 512), 0, false},
		"any GPUs after some":            {with(numGPU, 10), with(), 0, false},
		"any GPUs after some, spelled":   {with(numGPU, 10), with(numGPU, -1), 0, false},
		"some GPUs after any":            {with(), with(numGPU, 10), 0, true},
		"no GPU":                         {with(), with(numGPU, 0), 0, true},
		"another main GPU":               {with(mainGPU, 0), with(mainGPU, 1), 0, true},
		"other threads":                  {with(), with(numThread, 8), 0, true},
		"threads by default":             {with(numThread, 0), with(), 0, false},
		"no memory map":                  {with(), with(numCtx, false), 0, true},
		"a memory map after none wanted": {with(numCtx, false), with(numCtx, true), 0, true},
	} {
		if got := needsReload(c.loaded, c.asked, c.context); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if mayNeedReload(with(numBatch, 9), 4096) || !mayNeedReload(with(numCtx, 8192), 4096) || mayNeedReload(with(numCtx, 8192), 0) {
		t.Error("of a runner that somebody else had loaded, only the context is known")
	}
}
