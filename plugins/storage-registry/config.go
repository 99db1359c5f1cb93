package main

import (
	"net/url"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/config"
)

// settings are those of one registry.
type settings struct {
	Endpoint string        `yaml:"endpoint" help:"the registry's address"`
	Username string        `yaml:"username" help:"who asks, where not everybody may"`
	Password config.Secret `yaml:"password" help:"the password of username, or an access token in its place"`

	served.Settings `yaml:",inline"`
}

// ollama is the registry that is meant where none is named.
const ollama = "https://registry.ollama.ai"

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() {
	s.Endpoint = ollama
	s.Settings.SetDefaults()
}

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		report("endpoint", "has to be an address, such as %s", ollama)
	}
	if s.Password.IsSet() != (s.Username != "") {
		report("username", "and password go together")
	}
}
