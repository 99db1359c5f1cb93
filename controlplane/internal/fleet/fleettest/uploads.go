package fleettest

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func uploadSentences() []sentence {
	upload := func(id string, created time.Time) fleet.Upload {
		return fleet.Upload{
			ID:     id,
			Import: fleet.Import{Name: "tiny:latest", Description: "d", Storage: "s3", Hosts: []string{"a", "b"}, Quantize: "q4_0", From: "base:1b"},
			Files:  []fleet.UploadFile{{Name: "a.gguf", SizeBytes: 1 << 39, SHA256: "ab"}, {Name: "b.gguf", SizeBytes: 1 << 39}}, SizeBytes: 1 << 40,
			OwnerID: "k1", State: fleet.UploadReceiving, OffsetBytes: 7, Hash: []byte{0, 1, 255}, Problem: "p",
			CreatedAt: created, ChangedAt: created.Add(time.Second), ExpiresAt: created.Add(time.Hour),
		}
	}
	return []sentence{
		{"Every field comes back, the oldest upload first", func(t *testing.T, s Stores) {
			late, early := upload("a", noon()), upload("b", noon().Add(-time.Hour))
			early.Hosts, early.Hash = nil, nil
			must(t, s.Uploads.CreateUpload(t.Context(), late))
			must(t, s.Uploads.CreateUpload(t.Context(), early))
			wantEqual(t, got(s.Uploads.Uploads(t.Context()))(t), []fleet.Upload{early, late})
			wantEqual(t, got(s.Uploads.Upload(t.Context(), "a"))(t), late)
		}},
		{"An id is taken once", func(t *testing.T, s Stores) {
			must(t, s.Uploads.CreateUpload(t.Context(), upload("a", noon())))
			other := upload("a", noon())
			other.OwnerID = "other"
			wantKind(t, s.Uploads.CreateUpload(t.Context(), other), fault.Conflict)
			wantEqual(t, got(s.Uploads.Upload(t.Context(), "a"))(t).OwnerID, "k1")
		}},
		{"Saving replaces how it is, and not what it was begun as", func(t *testing.T, s Stores) {
			was := upload("a", noon())
			must(t, s.Uploads.CreateUpload(t.Context(), was))
			must(t, s.Uploads.CreateUpload(t.Context(), upload("b", noon())))
			now := fleet.Upload{
				ID: "a", Files: []fleet.UploadFile{{Name: "a.gguf", SizeBytes: 1 << 39, SHA256: "cd"}}, State: fleet.UploadFailed, OffsetBytes: 8, Hash: []byte{9}, Problem: "q",
				ChangedAt: noon().Add(time.Minute), ExpiresAt: noon().Add(time.Hour * 2),
			}
			must(t, s.Uploads.SaveUpload(t.Context(), now))
			want := was
			want.Files, want.State, want.OffsetBytes, want.Hash, want.Problem = now.Files, now.State, now.OffsetBytes, now.Hash, now.Problem
			want.ChangedAt, want.ExpiresAt = now.ChangedAt, now.ExpiresAt
			wantEqual(t, got(s.Uploads.Uploads(t.Context()))(t), []fleet.Upload{want, upload("b", noon())})
		}},
		{"One that is not there is not found", func(t *testing.T, s Stores) {
			_, err := s.Uploads.Upload(t.Context(), "a")
			wantKind(t, err, fault.NotFound)
			wantKind(t, s.Uploads.SaveUpload(t.Context(), upload("a", noon())), fault.NotFound)
		}},
		{"One that is removed is gone, and removing it again is no fault", func(t *testing.T, s Stores) {
			must(t, s.Uploads.CreateUpload(t.Context(), upload("a", noon())))
			must(t, s.Uploads.RemoveUpload(t.Context(), "a"))
			must(t, s.Uploads.RemoveUpload(t.Context(), "a"))
			wantEqual(t, len(got(s.Uploads.Uploads(t.Context()))(t)), 0)
		}},
	}
}
