package live

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// ModelProgress is how far a model is on its way. Progress never falls from one
// beginning to its end, and is 100 when all went well.
type ModelProgress struct {
	ModelID  string `json:"model_id"`
	Progress int    `json:"progress"`
	Status   string `json:"status"` // of the model, in the words of ModelInfo
	Message  string `json:"message"`

	Name        string          `json:"name"`
	Filename    string          `json:"filename,omitempty"`
	UploadURL   string          `json:"upload_url,omitempty"` // where the bytes are to go, by tus; a path of this server
	OperationID string          `json:"operation_id"`         // the one that has changed
	Operations  []OperationStep `json:"operations"`           // all that are part of it, each host's for itself
}

// OperationStep is how far one operation is.
type OperationStep struct {
	OperationID string               `json:"operation_id"`
	Kind        fleet.OperationKind  `json:"kind"`
	Host        string               `json:"host,omitempty"`
	State       fleet.OperationState `json:"state"`
	Reason      fleet.WaitReason     `json:"reason,omitempty"` // why it waits
	Phase       string               `json:"phase,omitempty"`
	Progress    int                  `json:"progress"`
	Error       string               `json:"error,omitempty"`
}

// progressPause is the least between two looks at the operations.
const progressPause = 250 * time.Millisecond

// pushProgress tells of the operations on models as they go on.
func (l *Live) pushProgress(ctx context.Context) {
	journeys := map[string]*journey{}
	_, version, changed := l.operations.Since(0) // what was before is no news
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		var changes []fleet.Operation
		changes, version, changed = l.operations.Since(version)
		for _, told := range follow(journeys, changes) {
			data, err := encode(told)
			l.logFailure(aboutProgress, err)
			if err == nil {
				l.hub.pushOf(aboutProgress, told.ModelID, data)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(progressPause):
		}
	}
}

// journey is what goes on with a model from when nothing did until nothing does. A host that
// is away goes on with it some day, and is not waited for.
type journey struct {
	operations map[string]fleet.Operation
	order      []string // their ids, the first that began first
	progress   int
}

// follow takes changes in and returns what there is to tell of them, once for each model.
func follow(journeys map[string]*journey, changes []fleet.Operation) []ModelProgress {
	var order []string
	latest := map[string]fleet.Operation{}
	for _, op := range changes {
		j := journeys[op.ModelID]
		if j == nil {
			j = &journey{operations: map[string]fleet.Operation{}}
			journeys[op.ModelID] = j
		}
		if _, known := j.operations[op.ID]; !known {
			j.order = append(j.order, op.ID)
		}
		j.operations[op.ID] = op
		if _, again := latest[op.ModelID]; !again {
			order = append(order, op.ModelID)
		}
		latest[op.ModelID] = op
	}
	told := make([]ModelProgress, 0, len(order))
	for _, id := range order {
		p, ended := journeys[id].tell(latest[id])
		told = append(told, p)
		if ended {
			delete(journeys, id)
		}
	}
	return told
}

// tell says how far a model is after a change of one of its operations, and whether
// nothing more comes.
func (j *journey) tell(last fleet.Operation) (p ModelProgress, ended bool) {
	p = ModelProgress{ModelID: last.ModelID, Name: last.Model, OperationID: last.ID, Message: last.Message, Status: statusOf(&last)}
	var done, total int64
	ended = true
	arrived, failed := false, false
	for _, id := range j.order {
		op := j.operations[id]
		p.Operations = append(p.Operations, OperationStep{
			OperationID: op.ID, Kind: op.Kind, Host: op.Host, State: op.State, Reason: op.Reason, Phase: op.Phase, Progress: op.Percent(), Error: op.Error,
		})
		if op.Away() {
			continue
		}
		done, total = done+op.DoneBytes, total+op.TotalBytes
		ended = ended && op.State.Ended()
		arrived = arrived || op.State == fleet.OperationDone
		failed = failed || op.State == fleet.OperationFailed || op.State == fleet.OperationCancelled
	}
	if last.Error != "" {
		p.Message = last.Error
	}
	switch {
	case ended && arrived && !failed:
		j.progress = 100
	case total > 0:
		j.progress = max(j.progress, int(min(99, 100*float64(done)/float64(total))))
	}
	p.Progress = j.progress
	return p, ended
}

// statusOf says in the words of ModelInfo what an operation makes of its model.
func statusOf(op *fleet.Operation) string {
	switch {
	case op.State == fleet.OperationFailed:
		return string(fleet.ModelFailed)
	case op.State == fleet.OperationCancelled:
		return string(fleet.OperationCancelled)
	case op.Kind == fleet.DeleteOperation:
		return string(fleet.ModelDeleting)
	case op.Kind == fleet.StoreOperation && op.State == fleet.OperationDone:
		return string(fleet.ModelStored)
	case op.Kind == fleet.DownloadOperation && op.State == fleet.OperationDone:
		return string(fleet.ModelAvailable)
	case op.Kind == fleet.DownloadOperation && op.Phase != "" && op.Phase != "preparing" && op.Phase != "fetching":
		return string(fleet.ModelLoading)
	case op.Kind == fleet.DownloadOperation:
		return string(fleet.ModelDownloading)
	}
	return string(fleet.ModelUploading)
}
