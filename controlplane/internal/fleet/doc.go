// Package fleet is the control plane's domain: hosts, their Ollama instances,
// models, keys and tokens, and the interfaces by which the rest of the program
// reaches them. It imports nothing of ours but sdk/fault; adapters named by
// their technology (sqlite, agentlink, api) import it and never each other.
package fleet
