package edge

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// standing is how the server regards the Origin of a request.
type standing uint8

const (
	originNone    standing = iota // no browser, or a page's own simple GET
	originForeign                 // some page on the internet, or "null"
	originLocal                   // what Ollama itself trusts: pages and apps of the client's machine
	originAny                     // allowed by "*", so without credentials
	originListed                  // named in the settings
	originOwn                     // the server's own pages
)

// browserView is what a request tells of the page that made it.
type browserView struct {
	origin   string // as sent; empty without one
	standing standing
	ownHost  bool // the Host header names this server beyond doubt
	wildcard bool // the settings list "*"
	cross    bool // Sec-Fetch-Site says that another site's page made it
}

// viewBrowser judges Origin, Host and Sec-Fetch-Site.
//
// A page of evil.example whose DNS name was pointed at this server's address
// has an Origin that equals the Host, so equality alone proves nothing: Host
// counts as own only when it is an address, localhost, one of names, or the
// host of a listed origin.
func viewBrowser(origin, host, fetchSite string, names, listed []string) browserView {
	v := browserView{
		origin:   origin,
		wildcard: slices.Contains(listed, "*"),
		cross:    fetchSite == "cross-site",
	}
	hostName, _ := splitHost(host)
	v.ownHost = isOwnHost(hostName, names) || isListedHost(hostName, listed)
	if origin == "" {
		return v
	}
	scheme, originHost := splitOrigin(origin)
	web := scheme == "http" || scheme == "https"
	switch {
	case web && v.ownHost && sameHost(scheme, originHost, host):
		v.standing = originOwn
	case isListed(scheme, originHost, listed):
		v.standing = originListed
	case v.wildcard:
		v.standing = originAny
	case isLocalOrigin(scheme, originHost):
		v.standing = originLocal
	default:
		v.standing = originForeign
	}
	return v
}

// splitOrigin returns scheme and host[:port] in lower case, or empty strings
// for what is no origin ("null" among it).
func splitOrigin(origin string) (scheme, host string) {
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", ""
	}
	return strings.ToLower(u.Scheme), strings.ToLower(u.Host)
}

// splitHost separates the port, which may be missing, from a lower-cased name.
func splitHost(host string) (name, port string) {
	host = strings.ToLower(host)
	if name, port, err := net.SplitHostPort(host); err == nil {
		return strings.TrimSuffix(name, "."), port
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), "."), ""
}

func isOwnHost(name string, names []string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return slices.ContainsFunc(names, func(own string) bool { return strings.EqualFold(own, name) })
}

func isListedHost(name string, listed []string) bool {
	return slices.ContainsFunc(listed, func(origin string) bool {
		_, host := splitOrigin(origin)
		listedName, _ := splitHost(host)
		return listedName != "" && listedName == name
	})
}

func isListed(scheme, host string, listed []string) bool {
	return scheme != "" && slices.ContainsFunc(listed, func(origin string) bool {
		s, h := splitOrigin(origin)
		return s == scheme && sameHost(scheme, h, host)
	})
}

// sameHost compares two host[:port], a missing port being the scheme's.
func sameHost(scheme, a, b string) bool {
	aName, aPort := splitHost(a)
	bName, bPort := splitHost(b)
	standard := "80"
	if scheme == "https" {
		standard = "443"
	}
	if aPort == "" {
		aPort = standard
	}
	if bPort == "" {
		bPort = standard
	}
	return aName == bName && aPort == bPort
}

// isLocalOrigin reports whether Ollama's own defaults allow an origin.
func isLocalOrigin(scheme, host string) bool {
	switch scheme {
	case "app", "file", "tauri", "vscode-webview", "vscode-file":
		return true
	case "http", "https":
		name, _ := splitHost(host)
		return name == "localhost" || name == "127.0.0.1" || name == "0.0.0.0"
	}
	return false
}
