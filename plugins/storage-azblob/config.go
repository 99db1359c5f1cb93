package main

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/outbound"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// settings are those of one container.
type settings struct {
	Account   string `yaml:"account" help:"the storage account's name"`
	Container string `yaml:"container" help:"the container's name; it has to be there"`
	Prefix    string `yaml:"prefix" help:"what stands before every key, such as models/; what begins so in the container is Corral's"`
	Endpoint  string `yaml:"endpoint" help:"the account's address; without one it is https://ACCOUNT.blob.core.windows.net"`

	AccountKey         config.Secret `yaml:"account_key" help:"one of the account's keys; with it alone addresses can be signed for others"`
	SASToken           config.Secret `yaml:"sas_token" help:"a shared access signature of the container instead, with the rights to read, add, create, write, delete and list"`
	AmbientCredentials bool          `yaml:"ambient_credentials" help:"whether the machine's own identity is used instead: variables, a workload's or a managed one, as Azure's SDK finds them"`

	PartSize  config.Size `yaml:"part_size" help:"in parts of which size large objects are sent and fetched; very large ones have larger parts"`
	Transfers int         `yaml:"transfers" help:"how many parts of one object are sent or fetched at once, each of which is in memory"`

	outbound.Settings `yaml:",inline"`
}

// Bounds of our memory; the service takes parts of any size up to 4000 MiB.
const (
	leastPart    = 1 << 20
	mostPart     = 512 << 20
	mostTransfer = 64
)

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() { s.PartSize, s.Transfers = 8<<20, 4 }

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	if s.Account == "" || strings.ContainsAny(s.Account, "/?#. ") {
		report("account", "has to be the name of a storage account")
	}
	if s.Container == "" || strings.ContainsAny(s.Container, "/?# ") {
		report("container", "has to be the name of a container")
	}
	if s.Prefix != "" && (!strings.HasSuffix(s.Prefix, "/") || storage.CheckPrefix(s.Prefix) != nil) {
		report("prefix", "has to be names that each end in a slash, such as models/")
	}
	if u, err := url.Parse(s.Endpoint); s.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "") {
		report("endpoint", "has to be an address, such as https://models.blob.core.windows.net")
	}
	s.validateCredentials(report)
	if s.PartSize < leastPart || s.PartSize > mostPart {
		report("part_size", "has to be from %v to %v", config.Size(leastPart), config.Size(mostPart))
	}
	if s.Transfers < 1 || s.Transfers > mostTransfer {
		report("transfers", "has to be from 1 to %d", mostTransfer)
	}
}

func (s *settings) validateCredentials(report config.Report) {
	ways := 0
	for _, has := range []bool{s.AccountKey.IsSet(), s.SASToken.IsSet(), s.AmbientCredentials} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		report("account_key", "has to be set, or else sas_token or ambient_credentials, and only one of the three")
	}
	if _, err := base64.StdEncoding.DecodeString(s.AccountKey.Reveal()); err != nil {
		report("account_key", "has to be a key as the portal shows it, in base64")
	}
	if _, err := url.ParseQuery(strings.TrimPrefix(s.SASToken.Reveal(), "?")); err != nil {
		report("sas_token", "has to be a signature as the portal shows it, such as sv=…&sig=…")
	}
}

// address returns that of the container.
func (s *settings) address() string {
	account := strings.TrimSuffix(s.Endpoint, "/")
	if account == "" {
		account = "https://" + s.Account + ".blob.core.windows.net"
	}
	return account + "/" + s.Container
}
