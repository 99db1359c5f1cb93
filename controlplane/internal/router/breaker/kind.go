package breaker

// Kind says how a request failed.
type Kind uint8

// The kinds of failures.
const (
	Refused      Kind = iota + 1 // the instance could not be reached
	BrokenOff                    // the connection ended before the answer's first byte
	NoFirstToken                 // nothing came before the deadline of the first token
	ServerError                  // Ollama answered with a status of 500 or above that blames itself
	BrokenAnswer                 // the answer ended before it was whole
	Stalled                      // the answer had begun and then stood still
)

// kindNames are codes for those who look at breakers; index is the kind.
var kindNames = [...]string{
	Refused: "refused", BrokenOff: "broken_off", NoFirstToken: "no_first_token",
	ServerError: "server_error", BrokenAnswer: "broken_answer", Stalled: "stalled",
}

// String returns the kind's code, such as "refused", and "" for no kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// ofInstance reports whether the failure counts against the instance.
func (k Kind) ofInstance() bool { return k == Refused || k == BrokenOff }

// ofModel reports whether the failure counts against the model on the instance.
func (k Kind) ofModel() bool { return k != Refused }

// early reports whether the failure came before the answer's first byte.
func (k Kind) early() bool { return k != BrokenAnswer && k != Stalled }

// State is what a circuit does with a request.
type State uint8

// The states of a circuit.
const (
	Closed  State = iota // requests pass
	Open                 // none passes until the pause is over
	Due                  // the pause is over: the next request passes, as a probe
	Probing              // a probe is under way; none passes until it has ended
)

// stateNames are what states are called; index is the state.
var stateNames = [...]string{Closed: "closed", Open: "open", Due: "due", Probing: "probing"}

// String returns the state's code, such as "open".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// Passes reports whether a request may pass now.
func (s State) Passes() bool { return s == Closed || s == Due }
