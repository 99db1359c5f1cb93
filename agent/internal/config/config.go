// Package config is what an agent can be told: its settings, their defaults and
// what their values must keep to. Package sdk/config reads them from a file,
// the environment and flags.
package config

import (
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
)

// Prefix begins the names of the agent's environment variables.
const Prefix = "CORRAL_AGENT"

// Config is an agent's settings.
type Config struct {
	DataDir        string            `yaml:"data_dir" help:"folder of the agent's key and state; made where it is missing"`
	Server         []ServerURL       `yaml:"server" help:"addresses of the control plane, tried in turn; https where no scheme is given; empty takes those by which the host joined"`
	ServerCAFile   string            `yaml:"server_ca_file" help:"file of certificate authorities, in PEM, to trust beside the control plane's own, where a proxy in front of it ends TLS"`
	Token          config.Secret     `yaml:"token" flag:"token" help:"join token; ignored once the agent has joined"`
	Name           string            `yaml:"name" help:"what the host is called; empty takes the host name"`
	Labels         map[string]string `yaml:"labels" flag:"label" help:"labels of the host, key=value"`
	Ollama         Ollama            `yaml:"ollama"`
	GPU            GPU               `yaml:"gpu"`
	Peer           Peer              `yaml:"peer"`
	DemoModel      bool              `yaml:"demo_model" help:"give an Ollama without any model a tiny one to try things out with"`
	StatusListen   string            `yaml:"status_listen" help:"where health is served, host:port or unix:PATH; empty is a unix socket in the data folder"`
	ModelWorker    string            `yaml:"model_worker" help:"the program that brings models into Ollama; empty is corral-modelworker beside the agent's own program"`
	PluginDir      string            `yaml:"plugin_dir" help:"folder of the plugins; empty is the program's own"`
	Insecure       bool              `yaml:"insecure" help:"allow connections to the control plane without TLS"`
	LogLevel       string            `yaml:"log_level" help:"trace, debug, info, warn or error"`
	LogFormat      string            `yaml:"log_format" help:"text or json"`
	SampleInterval time.Duration     `yaml:"sample_interval" help:"time between two samples of the host"`
	DrainGrace     time.Duration     `yaml:"drain_grace" help:"how long requests under way may go on when the agent is told to end"`
}

// Default returns the settings of an agent that is told nothing.
func Default() Config {
	return Config{
		DataDir: "/var/lib/corral-agent",
		Server:  []ServerURL{},
		Labels:  map[string]string{},
		Ollama: Ollama{
			Mode:     ModeAuto,
			URL:      "http://127.0.0.1:11434",
			Settings: OllamaSettings{FlashAttention: FlashAttentionAuto},
			Stalls:   OllamaStalls{FirstToken: 2 * time.Minute, Token: 30 * time.Second, Idle: 5 * time.Second},
		},
		GPU:            GPU{Source: GPUAuto},
		LogLevel:       "info",
		LogFormat:      "text",
		SampleInterval: time.Second,
		DrainGrace:     30 * time.Second,
	}
}

// StatusAddress returns the network, "unix" or "tcp", and the address where the
// agent serves its health.
func (c *Config) StatusAddress() (network, address string) {
	if c.StatusListen == "" {
		return "unix", filepath.Join(c.DataDir, "agent.sock")
	}
	return splitStatusListen(c.StatusListen)
}
