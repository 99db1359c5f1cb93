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
			OwnerID: "k1", BegunUnder: "under " + id, BegunWith: "cd", State: fleet.UploadReceiving, OffsetBytes: 7, Hash: []byte{0, 1, 255}, Problem: "p",
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
		{"An owner begins one under a key, and finds it by that", func(t *testing.T, s Stores) {
			first, again, other := upload("a", noon()), upload("b", noon()), upload("c", noon())
			again.BegunUnder, other.BegunUnder, other.OwnerID = first.BegunUnder, first.BegunUnder, "k2"
			must(t, s.Uploads.CreateUpload(t.Context(), first))
			wantKind(t, s.Uploads.CreateUpload(t.Context(), again), fault.Conflict)
			must(t, s.Uploads.CreateUpload(t.Context(), other))
			wantEqual(t, got(s.Uploads.UploadBegunUnder(t.Context(), "k1", first.BegunUnder))(t), first)
			wantEqual(t, got(s.Uploads.UploadBegunUnder(t.Context(), "k2", first.BegunUnder))(t), other)
			must(t, s.Uploads.RemoveUpload(t.Context(), "a"))
			_, err := s.Uploads.UploadBegunUnder(t.Context(), "k1", first.BegunUnder)
			wantKind(t, err, fault.NotFound)
			must(t, s.Uploads.CreateUpload(t.Context(), again))
		}},
		{"Many are begun under nothing, and none is found by that", func(t *testing.T, s Stores) {
			for _, id := range []string{"a", "b"} {
				u := upload(id, noon())
				u.BegunUnder, u.BegunWith = "", ""
				must(t, s.Uploads.CreateUpload(t.Context(), u))
			}
			_, err := s.Uploads.UploadBegunUnder(t.Context(), "k1", "")
			wantKind(t, err, fault.NotFound)
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
