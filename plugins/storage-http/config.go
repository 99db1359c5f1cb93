package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// settings are those of one site.
type settings struct {
	URLs  []string `yaml:"urls" help:"what stands before every file, such as https://example.com/models/; further ones are mirrors, which are asked where those before are out of reach"`
	Index string   `yaml:"index" help:"which file below urls lists what there is: a path a line, or JSON; without it and sums nothing is listed"`
	Sums  string   `yaml:"sums" help:"which file below urls has the sha256 of others, as sha256sum writes it, such as SHA256SUMS; files are held against it"`

	Username string        `yaml:"username" help:"who asks, where the server wants to know"`
	Password config.Secret `yaml:"password" help:"the password of username"`
	Token    config.Secret `yaml:"token" help:"a bearer token, in place of a name and password"`

	served.Settings `yaml:",inline"`
}

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	if len(s.URLs) == 0 {
		report("urls", "has to have an address at least, such as https://example.com/models/")
	}
	for _, address := range s.URLs {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.HasSuffix(u.Path, "/") {
			report("urls", "have to be addresses that end in a slash, such as https://example.com/models/")
		} else if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			report("urls", "may not have a name, a password, a query or a fragment in them")
		}
	}
	for field, path := range map[string]string{"index": s.Index, "sums": s.Sums} {
		if path != "" && storage.CheckKey(path) != nil {
			report(field, "has to be the path of a file below urls, such as SHA256SUMS")
		}
	}
	switch {
	case s.Token.IsSet() && (s.Username != "" || s.Password.IsSet()):
		report("token", "is not to be set where there is a name or a password")
	case s.Password.IsSet() && s.Username == "":
		report("username", "is missing; the password is somebody's")
	}
}

// authorization returns the header fields that say who asks.
func (s *settings) authorization() http.Header {
	switch {
	case s.Token.IsSet():
		return http.Header{"Authorization": {"Bearer " + s.Token.Reveal()}}
	case s.Username != "":
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(s.Username+":"+s.Password.Reveal()))}}
	}
	return nil
}
