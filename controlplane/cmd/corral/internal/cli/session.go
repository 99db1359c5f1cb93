package cli

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// defaultServer is asked when nothing else is said.
const defaultServer = "http://127.0.0.1:11435"

// maxKeyFile bounds the file that holds a key, in bytes.
const maxKeyFile = 4 << 10

// What --output can be.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// session is what the commands of one run share.
type session struct {
	Program
	server string
	key    string
	output string
	began  bool // the command line was understood
	// unfinished is what to say to who interrupts the command; empty is nothing more than that.
	unfinished string
	endless    bool // the command has no end but an interrupt
}

// begin checks the flags that every command has and fills in what the
// environment says.
func (s *session) begin() error {
	s.began = true
	if s.output != outputTable && s.output != outputJSON {
		return fault.New(fault.Invalid, "--output is table or json, not %q", s.output).On(fault.Caller)
	}
	s.server = cmp.Or(s.server, s.Getenv("CORRAL_SERVER"), defaultServer)
	s.key = cmp.Or(s.key, s.Getenv("CORRAL_KEY"))
	return nil
}

// client returns a client of the control plane.
func (s *session) client() (*client.Client, error) {
	if path := s.Getenv("CORRAL_KEY_FILE"); s.key == "" && path != "" {
		key, err := readKey(path)
		if err != nil {
			return nil, err
		}
		s.key = key
	}
	return client.New(s.server, s.key, client.Options{UserAgent: "corral/" + s.Version})
}

func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "the file that CORRAL_KEY_FILE names cannot be read").On(fault.Caller)
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Invalid, err, "the file that CORRAL_KEY_FILE names cannot be read").On(fault.Caller)
	case len(key) > maxKeyFile:
		return "", fault.New(fault.Invalid, "the file that CORRAL_KEY_FILE names holds more than a key").On(fault.Caller)
	}
	return strings.TrimSpace(string(key)), nil
}

// json prints a value as JSON.
func (s *session) json(v any) error {
	enc := json.NewEncoder(s.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// explain turns an error into the sentence that ends the program. Whoever runs
// this program may know the cause: it is on their side of the control plane.
func (s *session) explain(err error) string {
	sentence := printable(err.Error())
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		if s.key == "" {
			return sentence + "; give a key by --key, CORRAL_KEY or CORRAL_KEY_FILE"
		}
	case fault.Unavailable:
		if s.server == defaultServer {
			return sentence + "; --server or CORRAL_SERVER say where the control plane is"
		}
	}
	return sentence
}
