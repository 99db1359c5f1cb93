package main

import (
	"net/url"
	"strings"

	"golang.org/x/oauth2/google"

	"github.com/corral-fleet/corral/plugins/internal/outbound"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// settings are those of one bucket.
type settings struct {
	Bucket   string `yaml:"bucket" help:"the bucket's name; it has to be there"`
	Prefix   string `yaml:"prefix" help:"what stands before every key, such as models/; what begins so in the bucket is Corral's"`
	Endpoint string `yaml:"endpoint" help:"the service's address where it is not Google's own"`

	CredentialsJSON    config.Secret `yaml:"credentials_json" help:"the key of a service account, as the JSON that Google hands out; with it alone addresses can be signed for others"`
	AmbientCredentials bool          `yaml:"ambient_credentials" help:"whether the machine's own identity is used instead: a variable, a file or the one of the virtual machine, as Google's SDK finds them"`
	Anonymous          bool          `yaml:"anonymous" help:"whether nobody says who asks, as for an emulator"`

	PartSize  config.Size `yaml:"part_size" help:"in parts of which size large objects are sent and fetched, a multiple of 256KiB"`
	Transfers int         `yaml:"transfers" help:"how many parts of one object are fetched at once, each of which is in memory"`

	outbound.Settings `yaml:",inline"`
}

// Bounds of our memory; parts that are sent are multiples of the first.
const (
	leastPart    = 256 << 10
	mostPart     = 512 << 20
	mostTransfer = 64
)

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() { s.PartSize, s.Transfers = 8<<20, 4 }

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	if s.Bucket == "" || strings.ContainsAny(s.Bucket, "/?# ") {
		report("bucket", "has to be the name of a bucket")
	}
	if s.Prefix != "" && (!strings.HasSuffix(s.Prefix, "/") || storage.CheckPrefix(s.Prefix) != nil) {
		report("prefix", "has to be names that each end in a slash, such as models/")
	}
	if u, err := url.Parse(s.Endpoint); s.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		report("endpoint", "has to be an address, such as https://storage.example.com")
	}
	s.validateCredentials(report)
	if s.PartSize < leastPart || s.PartSize > mostPart || s.PartSize%leastPart != 0 {
		report("part_size", "has to be a multiple of %v, up to %v", config.Size(leastPart), config.Size(mostPart))
	}
	if s.Transfers < 1 || s.Transfers > mostTransfer {
		report("transfers", "has to be from 1 to %d", mostTransfer)
	}
}

func (s *settings) validateCredentials(report config.Report) {
	ways := 0
	for _, has := range []bool{s.CredentialsJSON.IsSet(), s.AmbientCredentials, s.Anonymous} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		report("credentials_json", "has to be set, or else ambient_credentials or anonymous, and only one of the three")
		return
	}
	if !s.CredentialsJSON.IsSet() {
		return
	}
	if _, err := google.JWTConfigFromJSON([]byte(s.CredentialsJSON.Reveal())); err != nil {
		report("credentials_json", "has to be the key of a service account, as JSON")
	}
}
