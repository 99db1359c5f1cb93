package edge

import (
	"fmt"
	"slices"
	"strings"
)

// Router is the table of routes. Routes are added before the server runs, by
// one goroutine; afterwards it is only read.
type Router struct {
	root   node
	routes []Route
}

// NewRouter returns an empty table.
func NewRouter() *Router { return &Router{} }

// node is one step of the tree of paths.
type node struct {
	children map[string]*node // by literal segment
	param    *node            // {name}
	rest     *node            // {name...}
	endings  []*ending        // one for each method, sorted; empty: no route ends here
}

// ending is what one method finds at the end of a path.
type ending struct {
	method string
	http   *Route
	ws     *Route
	params []string // the names in the pattern of this method's routes, in order
}

// Route adds a route. It panics on one that is incomplete or there already: the
// table is made once, at start, and a mistake in it is a mistake in the program.
func (t *Router) Route(r Route) {
	if r.Method == "" && r.upgrades() {
		r.Method = "GET"
	}
	r.Method = strings.ToUpper(r.Method)
	if fault := r.check(); fault != "" {
		panic(fmt.Sprintf("edge: route %s %s %s", r.Method, r.Path, fault))
	}
	n, names := t.root.grow(&r)
	e := n.ending(r.Method)
	if e == nil {
		e = &ending{method: r.Method, params: names}
		n.endings = append(n.endings, e)
		slices.SortFunc(n.endings, func(a, b *ending) int { return strings.Compare(a.method, b.method) })
	}
	if !slices.Equal(e.params, names) || r.Handler != nil && e.http != nil || r.upgrades() && e.ws != nil {
		panic(fmt.Sprintf("edge: route %s %s is there already", r.Method, r.Path))
	}
	if r.Handler != nil {
		e.http = &r
	}
	if r.upgrades() {
		e.ws = &r
	}
	t.routes = append(t.routes, r)
}

// Routes lists every route in the order in which they were added.
func (t *Router) Routes() []Route { return slices.Clone(t.routes) }

// grow returns the node at the end of a route's pattern and the pattern's names.
func (n *node) grow(r *Route) (*node, []string) {
	var names []string
	segments := strings.Split(strings.Trim(r.Path, "/"), "/")
	if r.Path == "/" {
		segments = nil
	}
	for i, s := range segments {
		name, isParam := strings.CutPrefix(s, "{")
		if !isParam {
			if s == "" || strings.ContainsAny(s, "{}%") {
				panic(fmt.Sprintf("edge: route %s %s has a strange segment %q", r.Method, r.Path, s))
			}
			n = child(&n.children, s)
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, isRest := strings.CutSuffix(name, "...")
		if !closed || name == "" || slices.Contains(names, name) || isRest && i != len(segments)-1 {
			panic(fmt.Sprintf("edge: route %s %s has a strange segment %q", r.Method, r.Path, s))
		}
		names = append(names, name)
		next := &n.param
		if isRest {
			next = &n.rest
		}
		if *next == nil {
			*next = &node{}
		}
		n = *next
	}
	return n, names
}

func child(children *map[string]*node, segment string) *node {
	if *children == nil {
		*children = map[string]*node{}
	}
	if (*children)[segment] == nil {
		(*children)[segment] = &node{}
	}
	return (*children)[segment]
}

func (n *node) ending(method string) *ending {
	for _, e := range n.endings {
		if e.method == method {
			return e
		}
	}
	return nil
}

// find returns the node that a path ends at, or nil, and what stands for the
// names on the way. A literal segment goes before a name, a name before a rest.
func (n *node) find(segments, values []string) (*node, []string) {
	if len(segments) == 0 && len(n.endings) > 0 {
		return n, values
	}
	if len(segments) > 0 {
		if c := n.children[segments[0]]; c != nil {
			if end, v := c.find(segments[1:], values); end != nil {
				return end, v
			}
		}
		if n.param != nil {
			if end, v := n.param.find(segments[1:], append(values, segments[0])); end != nil {
				return end, v
			}
		}
	}
	if n.rest != nil {
		return n.rest, append(values, strings.Join(segments, "/"))
	}
	return nil, nil
}

// methods lists what a path answers to, for the Allow header.
func (n *node) methods() string {
	names := []string{"OPTIONS"}
	for _, e := range n.endings {
		names = append(names, e.method)
		if e.method == "GET" && n.ending("HEAD") == nil {
			names = append(names, "HEAD")
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
