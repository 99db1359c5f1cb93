package ollama

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// unitModelsDir is where our unit of systemd keeps models unless it is told otherwise.
const unitModelsDir = "/var/lib/corral-ollama/models"

// ModelsDir returns the folder of the instance's models, and true, where the Ollama is
// of the agent's own; "" and false where somebody else has set it up, or nothing is known
// yet.
func (s *Supervisor) ModelsDir() (dir string, ours bool) {
	switch Mode(s.Snapshot().Mode) {
	case ModeManaged:
		home := s.cfg.DataDir
		for _, entry := range serverEnv(os.Environ(), s.cfg.Settings, "", s.cfg.DataDir) {
			if value, ok := strings.CutPrefix(entry, "HOME="); ok {
				home = value
			}
		}
		return cmp.Or(s.cfg.Settings.ModelsDir, filepath.Join(home, ".ollama", "models")), true
	case ModeSystemd:
		return cmp.Or(s.cfg.Settings.ModelsDir, unitModelsDir), true
	}
	return "", false
}
