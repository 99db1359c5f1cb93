package fault

// Kind says what sort of thing went wrong.
//
// The numbers are a wire contract: they are only ever added to, never
// reordered or reused.
type Kind uint8

// The kinds.
const (
	None            Kind = 0  // no error
	Internal        Kind = 1  // a bug, or anything unclassified; never retried
	Invalid         Kind = 2  // the request itself is wrong; the same request fails again
	Unauthenticated Kind = 3  // nobody knows who asks
	Forbidden       Kind = 4  // who asks may not do this
	NotFound        Kind = 5  // the named thing does not exist
	Conflict        Kind = 6  // the thing is not in the state that the request needs
	TooLarge        Kind = 7  // over a size limit
	RateLimited     Kind = 8  // too many requests; later ones may pass
	NotImplemented  Kind = 9  // this build does not do that
	Unavailable     Kind = 10 // a part that is needed is away; may pass when tried again
	Timeout         Kind = 11 // a deadline passed
	NoSpace         Kind = 12 // a disk or a quota is full
	Canceled        Kind = 13 // whoever asked no longer wants the answer
	Corrupt         Kind = 14 // bytes are not what their digest or format promises
)

// kindNames are the codes of the dashboard API; index is the kind.
var kindNames = [...]string{
	None: "ok", Internal: "internal", Invalid: "invalid", Unauthenticated: "unauthenticated",
	Forbidden: "forbidden", NotFound: "not_found", Conflict: "conflict", TooLarge: "too_large",
	RateLimited: "rate_limited", NotImplemented: "not_implemented", Unavailable: "unavailable",
	Timeout: "timeout", NoSpace: "no_space", Canceled: "canceled", Corrupt: "corrupt",
}

// String returns the kind's code, such as "not_found". A number that this
// build does not know yet reads as "internal".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Internal]
}

// ParseKind is the inverse of [Kind.String]. An unknown code is [Internal].
func ParseKind(code string) Kind {
	for k, name := range kindNames {
		if name == code {
			return Kind(k)
		}
	}
	return Internal
}

// Kinds returns every kind that stands for an error, in the order of their numbers.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(kindNames)-1)
	for k := Internal; int(k) < len(kindNames); k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// Side says whose fault an error was: three different rows on a dashboard, and
// three different people to wake.
type Side uint8

// The sides. As with kinds, the numbers are only ever added to.
const (
	Ours    Side = 0 // the program that reports it
	Caller  Side = 1 // whoever made the request
	Host    Side = 2 // a host, its agent, or the way to it
	Ollama  Side = 3 // an Ollama, or the model in it
	Plugin  Side = 4 // a plugin that crashed or broke its contract
	Service Side = 5 // a service behind a plugin
)

var sideNames = [...]string{Ours: "ours", Caller: "caller", Host: "host", Ollama: "ollama", Plugin: "plugin", Service: "service"}

// String returns the side's name. An unknown number reads as "ours".
func (s Side) String() string {
	if int(s) < len(sideNames) {
		return sideNames[s]
	}
	return sideNames[Ours]
}

// ParseSide is the inverse of [Side.String]. An unknown name is [Ours].
func ParseSide(name string) Side {
	for s, has := range sideNames {
		if has == name {
			return Side(s)
		}
	}
	return Ours
}
