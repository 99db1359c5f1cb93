package router

// pageSize is how many values lie beside each other. Instances are numbered in
// the order in which they came, so that those of one model often do.
const pageSize = 16

// paged is a list by numbers, of which many may be missing. Its values stay where
// they are, and lie beside each other: a pick walks through all of them, and what
// it waits for is memory.
type paged[T any] struct{ pages []*[pageSize]T }

// at returns a value, nil where its page was never made.
func (p *paged[T]) at(number uint32) *T {
	page := int(number / pageSize)
	if page >= len(p.pages) || p.pages[page] == nil {
		return nil
	}
	return &p.pages[page][number%pageSize]
}

// make returns a value, which is zero where it was never made before.
func (p *paged[T]) make(number uint32) *T {
	page := number / pageSize
	p.pages = at(p.pages, page)
	if p.pages[page] == nil {
		p.pages[page] = new([pageSize]T)
	}
	return &p.pages[page][number%pageSize]
}

// all calls yield with each value that there is memory for.
func (p *paged[T]) all(yield func(number uint32, v *T) bool) {
	for i, page := range p.pages {
		if page == nil {
			continue
		}
		for j := range page {
			if !yield(uint32(i*pageSize+j), &page[j]) {
				return
			}
		}
	}
}

// at returns a list that has a place for an index.
func at[T any](list []T, index uint32) []T {
	if missing := int(index) + 1 - len(list); missing > 0 {
		list = append(list, make([]T, missing)...)
	}
	return list
}
