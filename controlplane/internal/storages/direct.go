package storages

// Direct is what a host needs to read a storage by its plugin: all of the configuration.
type Direct struct {
	Plugin string
	Config Configuration
}

// Direct returns that, and false where hosts may not.
func (s *Service) Direct(name string) (Direct, bool) {
	e, err := s.find(name)
	if err != nil || !e.HostsRead {
		return Direct{}, false
	}
	return Direct{Plugin: e.Plugin, Config: stored(&e.Storage)}, true
}
