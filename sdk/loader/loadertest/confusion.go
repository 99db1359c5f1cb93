package loadertest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/corral-fleet/corral/sdk/loader"
)

// Claim is what one of several loaders says of a sample.
type Claim struct {
	Loader     string
	Format     string
	Confidence int
}

// Confusion is what all loaders say of a sample: those who claim it, the surest first.
type Confusion struct {
	Sample Sample
	Claims []Claim
}

// Confuse asks each of several loaders, by their names, of each sample.
func Confuse(ctx context.Context, loaders map[string]loader.Loader, samples []Sample) ([]Confusion, error) {
	var all []Confusion
	for _, s := range samples {
		files, err := loader.Heads(ctx, s.Files)
		if err != nil {
			return nil, err
		}
		c := Confusion{Sample: s}
		for _, name := range slices.Sorted(maps.Keys(loaders)) {
			g, err := loaders[name].Probe(ctx, files)
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", name, s.Name, err)
			}
			if g.Confidence > loader.Impossible {
				c.Claims = append(c.Claims, Claim{name, g.Format, g.Confidence})
			}
		}
		slices.SortStableFunc(c.Claims, func(a, b Claim) int { return b.Confidence - a.Confidence })
		all = append(all, c)
	}
	return all, nil
}

// Wrong returns a sentence where who gets the sample is not who should, "" where all is
// well. formats are those that the loaders know.
func (c Confusion) Wrong(formats []string) string {
	known := slices.Contains(formats, c.Sample.Format)
	switch {
	case len(c.Claims) == 0 && known:
		return fmt.Sprintf("nobody takes %s, which is %s", c.Sample.Name, c.Sample.Format)
	case len(c.Claims) == 0:
		return ""
	case c.Sample.Format == "":
		return fmt.Sprintf("%s takes %s, which is nothing, for %s", c.Claims[0].Loader, c.Sample.Name, c.Claims[0].Format)
	case known && c.Claims[0].Format != c.Sample.Format:
		return fmt.Sprintf("%s takes %s for %s, and it is %s", c.Claims[0].Loader, c.Sample.Name, c.Claims[0].Format, c.Sample.Format)
	case known && len(c.Claims) > 1 && c.Claims[1].Confidence == c.Claims[0].Confidence:
		return fmt.Sprintf("%s and %s are equally sure of %s", c.Claims[0].Loader, c.Claims[1].Loader, c.Sample.Name)
	}
	return ""
}
