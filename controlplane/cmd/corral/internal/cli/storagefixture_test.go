package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/api"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
)

// storageRoutes stands in for a control plane with a storage "models", and says by its
// configuration what was asked of it.
func storageRoutes(t *testing.T, mux *http.ServeMux) {
	t.Helper()
	since := now().Add(-90 * 60e9)
	models := storages.View{
		Name: "models", Plugin: "s3", Config: []byte(`{"bucket":"b","part":{"size":8},"secret":"***"}`), ConfigVersion: 3, Status: storages.Degraded, Message: "the bucket \x1b[2J is away",
		Since: &since, CheckedAt: &since, Origin: storages.FromFile, SetIn: "corral.yaml:7", Address: "s3://b/", Capabilities: []string{"copy", "presign"},
	}
	say := func(w http.ResponseWriter, what any) {
		if err := json.NewEncoder(w).Encode(what); err != nil {
			t.Error(err)
		}
	}
	asked := func(version int) http.HandlerFunc { // that is said of what is asked for
		return func(w http.ResponseWriter, r *http.Request) {
			var spec storages.Spec
			if err := json.NewDecoder(r.Body).Decode(&spec); err != nil || spec.ConfigVersion != version {
				t.Errorf("a configuration of version %d was asked for, %v", spec.ConfigVersion, err)
			}
			say(w, storages.View{Name: "models", Plugin: spec.Plugin, Config: spec.Config, Status: storages.Starting, Origin: storages.Saved})
		}
	}
	mux.HandleFunc("GET /api/storage", func(w http.ResponseWriter, _ *http.Request) { say(w, []storages.View{models}) })
	mux.HandleFunc("POST /api/storage", asked(0))
	mux.HandleFunc("GET /api/storage/models", func(w http.ResponseWriter, _ *http.Request) { say(w, models) })
	mux.HandleFunc("PUT /api/storage/models", asked(models.ConfigVersion))
	mux.HandleFunc("DELETE /api/storage/models", func(w http.ResponseWriter, _ *http.Request) { say(w, models) })
	mux.HandleFunc("POST /api/storage/models/check", func(w http.ResponseWriter, _ *http.Request) { say(w, models) })
	mux.HandleFunc("GET /api/storage/models/files", func(w http.ResponseWriter, r *http.Request) {
		page := storages.Listing{Files: []storages.File{{Path: r.FormValue("prefix") + "a/", Folder: true}}, Cursor: "2"}
		if r.FormValue("cursor") == "2" {
			page = storages.Listing{Files: []storages.File{{Path: r.FormValue("flat") + ".gguf", Size: 3 << 30, Modified: "2026-03-01T12:00:00Z"}}}
		}
		say(w, page)
	})
	mux.HandleFunc("GET /api/storage/models/file", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.FormValue("path")+"\n") })
	mux.HandleFunc("PUT /api/storage/models/file", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		say(w, storages.File{Path: r.FormValue("path"), URL: "s3://b/" + r.FormValue("path"), Size: n, SHA256: "aa"})
	})
	mux.HandleFunc("DELETE /api/storage/models/file", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /api/plugins", func(w http.ResponseWriter, _ *http.Request) {
		say(w, []api.Plugin{
			{
				Kind: "storage", Name: "fs", Version: "0.1.0", Publisher: "Corral", File: "/p/corral-plugin-storage-fs", State: "ready", Since: &since, SHA256: "0123456789abcdef",
				Restarts: 2, Trusted: true, Previous: "0.0.9", PID: 7, StartedAt: &since, LastExit: &api.PluginExit{At: since, How: "signal: killed", Latest: []string{"the \x1b[2J last", "words"}},
				Unconfined: []string{"the system has no landlock", "its memory is not limited"},
				Metrics: api.PluginMetrics{
					Calls: []api.PluginCalls{{Name: "put", Count: 3, Millis: 1250}, {Name: "stat", Count: 40, Millis: 2.54}}, Errors: 1, InFlight: 2,
					BytesSent: 3 << 30, RSSBytes: 20 << 20, CPUMillis: 3200,
				},
				Instances: []api.PluginInstance{{Name: "default", State: "ready", Breaker: "closed", Transfers: 2}, {Name: "nas", State: "degraded", Breaker: "open", Message: "the disk is away"}},
			},
			{Kind: "loader", Name: "s3", State: "ready"},
			{Kind: "storage", Name: "s3", State: "failed", Message: "it does not start"},
			{File: "/p/corral-plugin-x", SHA256: "fedcba9876543210", State: "disabled", Message: "nobody trusts it", Trust: "corral-controlplane plugin trust /p/corral-plugin-x"},
		})
	})
	mux.HandleFunc("POST /api/plugins/storage/fs/rollback", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	mux.HandleFunc("POST /api/plugins", func(w http.ResponseWriter, r *http.Request) {
		say(w, map[string]string{"sha256": r.FormValue("sha256")})
	})
	mux.HandleFunc("POST /api/plugins/aa/approve", func(w http.ResponseWriter, _ *http.Request) {
		say(w, map[string]string{"kind": "storage", "name": "x", "version": "1.2.0", "sha256": "aa"})
	})
	mux.HandleFunc("DELETE /api/plugins/aa", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
}
