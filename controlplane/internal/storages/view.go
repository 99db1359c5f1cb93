package storages

import (
	"encoding/json"
	"time"
)

// State is how a storage is.
type State string

// The states.
const (
	Disabled State = "disabled" // its plugin is not to run
	Starting State = "starting" // nobody knows yet
	Ready    State = "ready"
	Degraded State = "degraded" // its plugin runs, and its service does not serve
	Failed   State = "failed"   // its plugin does not run, or does not take the configuration
)

// Origin is where a storage comes from.
type Origin string

// The origins.
const (
	BuiltIn  Origin = "default" // nobody configured it
	FromFile Origin = "file"    // the settings file has it; nothing else may change it
	Saved    Origin = "saved"
)

// View is a storage as it is shown.
type View struct {
	Name   string          `json:"name"`
	Plugin string          `json:"plugin"`
	Config json.RawMessage `json:"config"` // secrets hidden
	// ConfigVersion is the version of the plugin's configuration that Config is of; 0
	// is unknown.
	ConfigVersion int        `json:"config_version"`
	Status        State      `json:"status"`
	Message       string     `json:"message"` // a sentence for the status; may be empty
	Since         *time.Time `json:"since"`   // when it got into this status; nil while it is starting
	CheckedAt     *time.Time `json:"checked_at"`
	Origin        Origin     `json:"origin"`
	SetIn         string     `json:"set_in"`  // of a file: where in it; else empty
	Address       string     `json:"address"` // what the URLs of its files begin with
	// HostsRead is that hosts may run the plugin themselves, with all of the configuration.
	HostsRead    bool     `json:"hosts_read"`
	Capabilities []string `json:"capabilities"` // what it does beyond what every storage does
	ReadOnly     bool     `json:"read_only"`    // it has what others publish: nothing is stored there, and nothing deleted
}

// File is an object, or a folder of them, in a storage.
type File struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`     // bytes
	Modified string `json:"modified"` // RFC 3339 in UTC; empty where it is unknown, and of folders
	Storage  string `json:"storage"`  // its name
	URL      string `json:"url"`
	Folder   bool   `json:"folder,omitempty"`
	Version  string `json:"version,omitempty"` // another one for other bytes
	SHA256   string `json:"sha256,omitempty"`  // where it is known without reading
}

// Listing is a part of what a storage has.
type Listing struct {
	Files   []File `json:"files"`
	Cursor  string `json:"cursor"` // where the next part begins; empty after the last one
	Storage string `json:"storage"`
}
