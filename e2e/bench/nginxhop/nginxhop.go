// Package nginxhop puts nginx in front of a server, as a known measure of what
// a hop costs. Each hop is an nginx of its own, with its own folder and
// configuration; the system's nginx is not touched.
package nginxhop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"

	"github.com/corral-fleet/corral/e2e/bench/child"
)

// config streams each piece on as it comes and keeps its connections, as
// somebody would set it up who puts nginx before an Ollama.
var config = template.Must(template.New("nginx.conf").Parse(`daemon off;
worker_processes auto;
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	tcp_nodelay on;
	keepalive_timeout 300s;
	keepalive_requests 100000000;
	upstream next {
		server {{.Upstream}};
		keepalive 128;
		keepalive_timeout 300s;
		keepalive_requests 100000000;
	}
	server {
		listen {{.Listen}};
		location / {
			proxy_pass http://next;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
			proxy_read_timeout 600s;
		}
	}
}
`))

// Hop is an nginx that runs.
type Hop struct {
	Address string // host and port that it listens on
	process *child.Process
}

// Start starts an nginx before upstream, a host and port, on a free port of
// the loopback. Its files go into dir, which is empty before.
func Start(ctx context.Context, binary, dir, upstream string) (*Hop, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	defer socket.Close()

	address := ln.Addr().String()
	conf := filepath.Join(dir, "nginx.conf")
	file, err := os.Create(conf)
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	defer file.Close()
	if err := config.Execute(file, struct{ Dir, Upstream, Listen string }{dir, upstream, address}); err != nil {
		return nil, fmt.Errorf("nginx: write its configuration: %w", err)
	}
	argv := []string{binary, "-p", dir, "-c", conf, "-e", "stderr"}
	process, err := child.Start(ctx, "nginx", argv, func(cmd *exec.Cmd) {
		// nginx takes over a socket that is named like this, which is how it
		// gets a free port, and connections wait for it from the start.
		cmd.ExtraFiles = []*os.File{socket}
		cmd.Env = append(os.Environ(), "NGINX=3;")
	})
	if err != nil {
		return nil, err
	}
	// Handing the socket over made it blocking, for nginx too, which takes a
	// socket that it inherits as it is: a worker that loses the race for a
	// connection would hang in accept with all its other connections.
	if err := syscall.SetNonblock(int(socket.Fd()), true); err != nil {
		return nil, errors.Join(fmt.Errorf("nginx: %w", err), process.Stop())
	}
	return &Hop{Address: address, process: process}, nil
}

// Stop ends the nginx and its workers.
func (h *Hop) Stop() error { return h.process.Stop() }

// Version returns what the binary says it is, such as "nginx/1.22.1".
func Version(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "-v").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nginx: %w: %s", err, out)
	}
	_, version, ok := strings.Cut(strings.TrimSpace(string(out)), "nginx version: ")
	if !ok {
		return "", fmt.Errorf("nginx: %s does not tell its version: %q", binary, out)
	}
	return version, nil
}
