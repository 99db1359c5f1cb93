package wire

// Action asks an agent to do one of a closed set of things. There is no way to
// run a command, to read a file or to change a program through it.
type Action struct {
	ID       uint64 // returned in the result
	Kind     string // one of the kinds below; an agent refuses any other
	Instance string
	Seconds  uint32 // of ActionReleaseGPUs: for how long
}

func (*Action) number() fieldNumber { return numAction }
func (a *Action) fields(c *codec) {
	c.uint64(1, &a.ID)
	c.string(2, &a.Kind)
	c.string(3, &a.Instance)
	c.uint32(4, &a.Seconds)
}

// The kinds of an [Action].
const (
	ActionRestartInstance = "restart_instance" // stop and start the Ollama; refused where it is not ours
	ActionRefresh         = "refresh"          // tell the instances anew, now
	ActionReleaseGPUs     = "release_gpus"     // let go of the GPU driver for a while
	ActionAcquireGPUs     = "acquire_gpus"     // read GPUs again before that is over
)

// ActionResult says how an [Action] ended.
type ActionResult struct {
	ID      uint64
	Code    string // a kind of package fault; "ok" for success
	Message string
}

func (*ActionResult) number() fieldNumber { return numActionResult }
func (r *ActionResult) fields(c *codec) {
	c.uint64(1, &r.ID)
	c.string(2, &r.Code)
	c.string(3, &r.Message)
}
