// Package status serves an agent's health on the host itself.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Report is how an agent is.
type Report struct {
	Version   string   `json:"version"`
	Joined    bool     `json:"joined"`
	HostID    string   `json:"host_id,omitempty"`
	Host      string   `json:"host,omitempty"`
	Connected bool     `json:"connected"`
	Server    string   `json:"server,omitempty"`
	Ollama    Ollama   `json:"ollama"`
	GPUs      GPUs     `json:"gpus"`
	Peers     *Peers   `json:"peers,omitempty"` // nil where other hosts get nothing from here
	Problems  []string `json:"problems"`        // empty when it is ready
}

// Ollama is how the supervised Ollama is.
type Ollama struct {
	Instance string `json:"instance"`
	Mode     string `json:"mode"`
	State    string `json:"state"`
	Message  string `json:"message,omitempty"`
	Version  string `json:"version,omitempty"`
	PID      int    `json:"pid,omitempty"`
	Models   int    `json:"models"`
}

// GPUs is how the host's GPUs are read.
type GPUs struct {
	State   string `json:"state"`
	Message string `json:"message,omitempty"`
	Source  string `json:"source,omitempty"`
	Driver  string `json:"driver_version,omitempty"`
	Count   int    `json:"count"` // that are known, also while they can't be read
}

// Peers is what other hosts get of models from this one.
type Peers struct {
	Address   string `json:"address"`
	Serving   int    `json:"serving"` // requests under way
	SentBytes int64  `json:"sent_bytes"`
}

// Releaser lets go of GPUs and takes them again.
type Releaser interface {
	Release(d time.Duration) (until time.Time, err error)
	Acquire()
}

// Server serves GET /healthz, which answers while the process is up, and GET
// /readyz, which has the report and is 503 while there are problems. On a unix
// socket, which is for the agent's own user, it also lets go of GPUs by POST
// /gpus/release?seconds=N and takes them again by POST /gpus/acquire.
type Server struct {
	network, address string
	report           func() Report
	gpus             Releaser
	log              hclog.Logger
}

// New returns a server for an address of the network "unix" or "tcp".
func New(network, address string, report func() Report, gpus Releaser, log hclog.Logger) *Server {
	return &Server{network: network, address: address, report: report, gpus: gpus, log: log}
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	listener, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("listen for health: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		s.write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		report := s.report()
		code := http.StatusOK
		if len(report.Problems) > 0 {
			code = http.StatusServiceUnavailable
		} else {
			report.Problems = []string{}
		}
		s.write(w, code, report)
	})
	if s.network == "unix" {
		mux.HandleFunc("POST /gpus/release", s.release)
		mux.HandleFunc("POST /gpus/acquire", func(w http.ResponseWriter, _ *http.Request) {
			s.gpus.Acquire()
			s.write(w, http.StatusOK, Released{})
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	s.log.Debug("serving health", "address", listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}

// Released is the answer to a release of GPUs, and to their acquisition.
type Released struct {
	Until time.Time `json:"until,omitzero"`
	Error string    `json:"error,omitempty"` // a sentence for what did not work
}

func (s *Server) release(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseUint(r.URL.Query().Get("seconds"), 10, 31)
	if err != nil {
		s.write(w, http.StatusBadRequest, Released{Error: "the number of seconds is missing"})
		return
	}
	until, err := s.gpus.Release(time.Duration(seconds) * time.Second)
	if err != nil {
		s.write(w, http.StatusConflict, Released{Until: until, Error: fault.MessageOf(err)})
		return
	}
	s.write(w, http.StatusOK, Released{Until: until})
}

// listen opens the socket.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.network == "unix" {
		if err := removeDead(ctx, s.address); err != nil {
			return nil, err
		}
	}
	var config net.ListenConfig
	if s.network == "unix" {
		config.Control = private
	}
	listener, err := config.Listen(ctx, s.network, s.address)
	if err != nil {
		return nil, err
	}
	if s.network == "unix" {
		if err := os.Chmod(s.address, 0o600); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	return listener, nil
}

// private has a socket closed to others from its first moment. That is the mode it is
// bound with on Linux; elsewhere it gets it once it is there.
func private(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		_ = syscall.Fchmod(int(fd), 0o600) // not every system does that to a socket without a path
	})
}

// removeDead removes a unix socket that an earlier run left behind: one at which
// nobody answers. What is there otherwise is somebody's, and stays.
func removeDead(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fault.New(fault.Conflict, "%s is there already and no socket", path).On(fault.Host)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fault.New(fault.Conflict, "another process serves %s", path).On(fault.Host), conn.Close())
	}
	return os.Remove(path)
}

func (s *Server) write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("health not delivered", "error", err)
	}
}
