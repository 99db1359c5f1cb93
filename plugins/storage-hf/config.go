package main

import (
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/config"
)

// settings are those of one hub.
type settings struct {
	Endpoint string        `yaml:"endpoint" help:"the hub's address"`
	Token    config.Secret `yaml:"token" help:"an access token, for repositories that not everybody may read; it needs to read and nothing else"`

	served.Settings `yaml:",inline"`
}

// hugging is the hub that is meant where none is named.
const hugging = "https://huggingface.co"

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() {
	s.Endpoint = hugging
	s.Settings.SetDefaults()
}

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		report("endpoint", "has to be an address, such as %s", hugging)
	}
	if token := s.Token.Reveal(); strings.TrimSpace(token) != token {
		report("token", "may not have spaces around it")
	}
}
