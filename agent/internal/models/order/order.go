// Package order is what an agent tells its model worker: one JSON document on its
// standard input, which stays open for as long as the work is wanted.
package order

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/corral-fleet/corral/sdk/wire/work"
)

// maxBytes bounds an order. A recipe has small layers in it, such as licences.
const maxBytes = 16 << 20

// Order is a job, and the host that it is to be done on.
type Order struct {
	Host Host     `json:"host"`
	Job  work.Job `json:"job"`
}

// Host is what an agent knows that its worker needs.
type Host struct {
	ID     string `json:"id"`     // the control plane's name for the host
	Ollama string `json:"ollama"` // "http://host:port", where the instance serves
	// ModelsDir is the instance's folder of models, where it is known; Ours says that
	// the Ollama is the agent's own, so that the folder may be written to.
	ModelsDir string `json:"models_dir,omitempty"`
	Ours      bool   `json:"ours,omitempty"`

	DataDir string `json:"data_dir"` // the agent's; programs of plugins are kept below it

	// Servers are the addresses of the control plane, the one in use first; Authorities,
	// in PEM, are those that were pinned, AuthoritiesFile those that the operator names.
	Servers         []string `json:"servers"`
	Authorities     []byte   `json:"authorities,omitempty"`
	AuthoritiesFile string   `json:"authorities_file,omitempty"`
	Insecure        bool     `json:"insecure,omitempty"` // the control plane may be reached without TLS

	// PassCertificate and PassKey, in PEM, are by the host's key, and prove to other hosts
	// for which one this worker reads.
	PassCertificate []byte `json:"pass_certificate,omitempty"`
	PassKey         []byte `json:"pass_key,omitempty"`
}

// Write hands an order over.
func Write(w io.Writer, o *Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode the order: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Read takes an order on, and returns what is read on after it.
func Read(r io.Reader) (o *Order, rest io.Reader, err error) {
	lines := bufio.NewReader(r)
	text, err := readLine(lines)
	if err != nil {
		return nil, nil, fmt.Errorf("read the order: %w", err)
	}
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, nil, fmt.Errorf("read the order: %w", err)
	}
	return o, lines, nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		piece, err := r.ReadSlice('\n')
		text = append(text, piece...)
		switch {
		case len(text) > maxBytes:
			return nil, errors.New("it is too long")
		case err != bufio.ErrBufferFull:
			return text, err
		}
	}
}
