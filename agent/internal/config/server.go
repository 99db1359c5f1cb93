package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// defaultPort is where a control plane listens unless told otherwise.
const defaultPort = "11435"

// ServerURL is the address of a control plane: scheme, host, and where they
// are needed a port and a path, without a slash at its end. The scheme is one
// of http, https, ws and wss; http and ws mean the same, and https and wss do.
type ServerURL string

// UnmarshalText takes an address. One without a scheme is https, and where it
// also has no port, the control plane's usual one.
func (s *ServerURL) UnmarshalText(text []byte) error {
	address := string(text)
	short := !strings.Contains(address, "://")
	if short {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("it is not an address") // the cause may hold a password
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("its scheme %q is none of http, https, ws and wss", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it names no host")
	case !portInRange(u.Port(), 1):
		return errors.New("its port is not between 1 and 65535")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("only a scheme, a host, a port and a path can be given")
	}
	if short && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	*s = ServerURL(u.String())
	return nil
}

// URL returns the address in its parts. An address that did not come through
// [ServerURL.UnmarshalText] may be an error.
func (s ServerURL) URL() (*url.URL, error) { return url.Parse(string(s)) }

// exposed reports whether what is said to this address can be read on the way.
func (s ServerURL) exposed() bool {
	u, err := s.URL()
	return err == nil && (u.Scheme == "http" || u.Scheme == "ws") && !loopback(u.Hostname())
}
