// Package outbound has what plugins need to reach a service by HTTP: who is trusted,
// and by which proxy.
package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Settings are how a service is reached. A plugin has no environment, so that what
// others take from there is said here.
type Settings struct {
	CAFile string `yaml:"ca_file" help:"certificates of authorities, as PEM, that are trusted beside those of the system"`
	Proxy  string `yaml:"proxy" help:"by which proxy the service is reached, such as http://proxy.example.com:3128; none is used unless one stands here"`
}

// Validate implements [config.Validator].
func (s *Settings) Validate(report config.Report) {
	if s.Proxy == "" {
		return
	}
	switch u, err := url.Parse(s.Proxy); {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		report("proxy", "has to be an address, such as http://proxy.example.com:3128")
	case u.User != nil:
		report("proxy", "may not have a name and password in it")
	}
}

// How long a service may take until something comes. Some take minutes to make an
// object of many parts.
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 5 * time.Minute
	idleTimeout   = 90 * time.Second
	idlePerHost   = 64
)

// Transport returns what requests are sent by.
func (s *Settings) Transport() (*http.Transport, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: idleTimeout,
		MaxIdleConns: idlePerHost, MaxIdleConnsPerHost: idlePerHost,
		// Objects are read as they are; HTTP/2 would share one window among all parts.
		DisableCompression: true, ForceAttemptHTTP2: false, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if s.Proxy != "" {
		u, err := url.Parse(s.Proxy)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "proxy is no address").On(fault.Caller)
		}
		t.Proxy = http.ProxyURL(u)
	}
	if s.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "ca_file can't be read").On(fault.Caller)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Invalid, "ca_file has no certificate in it").On(fault.Caller)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}
