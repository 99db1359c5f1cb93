package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/outbound"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// settings are those of one bucket.
type settings struct {
	Bucket   string `yaml:"bucket" help:"the bucket's name; it has to be there"`
	Prefix   string `yaml:"prefix" help:"what stands before every key, such as models/; what begins so in the bucket is Corral's"`
	Endpoint string `yaml:"endpoint" help:"the service's address, such as https://minio.example.com:9000; without one it is Amazon's"`
	Region   string `yaml:"region" help:"the bucket's region; auto for Cloudflare R2"`

	AccessKeyID        string        `yaml:"access_key_id" help:"which access key is used"`
	SecretAccessKey    config.Secret `yaml:"secret_access_key" help:"the access key's secret"`
	SessionToken       config.Secret `yaml:"session_token" help:"the token of a temporary access key"`
	AmbientCredentials bool          `yaml:"ambient_credentials" help:"whether the machine's own credentials are used: variables, files or role, as Amazon's SDK finds them"`

	Addressing        choice      `yaml:"addressing" help:"path has the bucket in an address's path and virtual in its host; auto is virtual at Amazon and path elsewhere"`
	Checksums         choice      `yaml:"checksums" help:"when_supported has checksums of Amazon's sent with each object, and when_required seldom; auto is the first at Amazon and the second elsewhere, where some services refuse them"`
	ConditionalCreate choice      `yaml:"conditional_create" help:"whether the service puts an object only where there is none when it is told to: on, off, or auto, which tries it out when the storage is opened, and not at Amazon"`
	PartSize          config.Size `yaml:"part_size" help:"in parts of which size large objects are sent and fetched; very large ones have larger parts"`
	Transfers         int         `yaml:"transfers" help:"how many parts of one object are sent or fetched at once, each of which is in memory"`

	outbound.Settings `yaml:",inline"`
}

// choice is one of a few words.
type choice string

// The choices.
const (
	auto          choice = "auto"
	path          choice = "path"
	virtual       choice = "virtual"
	whenSupported choice = "when_supported"
	whenRequired  choice = "when_required"
	on            choice = "on"
	off           choice = "off"
)

// Bounds of the service, and of our memory.
const (
	leastPart    = 5 << 20
	mostPart     = 512 << 20
	mostTransfer = 64
)

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() {
	s.Region, s.Addressing, s.Checksums, s.ConditionalCreate, s.PartSize, s.Transfers = "us-east-1", auto, auto, auto, 8<<20, 4
}

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	if s.Bucket == "" || strings.ContainsAny(s.Bucket, "/?# ") {
		report("bucket", "has to be the name of a bucket")
	}
	if s.Prefix != "" && (!strings.HasSuffix(s.Prefix, "/") || storage.CheckPrefix(s.Prefix) != nil) {
		report("prefix", "has to be names that each end in a slash, such as models/")
	}
	if u, err := url.Parse(s.Endpoint); s.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		report("endpoint", "has to be an address, such as https://minio.example.com:9000")
	}
	if s.Region == "" {
		report("region", "may not be empty; services that have none take us-east-1")
	}
	s.validateCredentials(report)
	for _, c := range []struct {
		field string
		value choice
		among []choice
	}{
		{"addressing", s.Addressing, []choice{auto, path, virtual}},
		{"checksums", s.Checksums, []choice{auto, whenSupported, whenRequired}},
		{"conditional_create", s.ConditionalCreate, []choice{auto, on, off}},
	} {
		if !slices.Contains(c.among, c.value) {
			report(c.field, "has to be one of %v", c.among)
		}
	}
	if s.PartSize < leastPart || s.PartSize > mostPart {
		report("part_size", "has to be from %v to %v", config.Size(leastPart), config.Size(mostPart))
	}
	if s.Transfers < 1 || s.Transfers > mostTransfer {
		report("transfers", "has to be from 1 to %d", mostTransfer)
	}
}

func (s *settings) validateCredentials(report config.Report) {
	has := s.AccessKeyID != "" || s.SecretAccessKey.IsSet() || s.SessionToken.IsSet()
	switch {
	case s.AmbientCredentials && has:
		report("ambient_credentials", "is not to be set where there is an access key")
	case s.AmbientCredentials:
	case s.AccessKeyID == "":
		report("access_key_id", "is missing; with ambient_credentials the machine's own are used")
	case !s.SecretAccessKey.IsSet():
		report("secret_access_key", "is missing")
	}
}

// amazon reports whether the service is Amazon's own.
func (s *settings) amazon() bool {
	if s.Endpoint == "" {
		return true
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}
