package fleet_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestSplitDigest(t *testing.T) {
	for ref, want := range map[string][2]string{
		"llama3":               {"llama3", ""},
		"llama3@sha256:abc":    {"llama3", "abc"},
		"llama3:8b@sha256:abc": {"llama3:8b", "abc"},
		"llama3@md5:abc":       {"llama3@md5:abc", ""},
	} {
		if name, digest := fleet.SplitDigest(ref); [2]string{name, digest} != want {
			t.Errorf("SplitDigest(%q) is %q and %q, want %q", ref, name, digest, want)
		}
	}
}

func TestModelIDIsStableAndSafeInURLs(t *testing.T) {
	id := fleet.ModelID("llama3")
	if want := "m_ljmuovckvcqkzft43ukio"; id != want {
		t.Errorf("the id is %q, want %q: ids must never change", id, want)
	}
	if fleet.ModelID("llama3:latest") != id {
		t.Error("the tag that is implied makes another id")
	}
	if fleet.ModelID("llama3:8b") == id {
		t.Error("another tag has the same id")
	}
	if rest := strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567_"); rest != "" {
		t.Errorf("the id has %q in it", rest)
	}
}

func TestModelsOfMergesByName(t *testing.T) {
	r := registry("h1", "h2", "h3")
	first, second := ready("default", model("tiny:latest", "d1", 10)), ready("default", model("tiny", "d1", 10), model("big:7b", "d9", 90))
	second.Loaded = []fleet.LoadedModel{{Name: "tiny", Digest: "d1", SizeVRAMBytes: 7, ExpiresAt: noon()}}
	r.Report("h1", 1, noon(), []fleet.Instance{first})
	r.Report("h2", 1, noon(), []fleet.Instance{second})
	r.Report("h3", 1, noon(), []fleet.Instance{ready("default", model("gone:1b", "d5", 5))})
	r.Disconnect("h3", 1, noon(), fleet.HostAway)

	want := []fleet.Model{
		{
			ID: fleet.ModelID("big:7b"), Name: "big:7b", Digest: "d9", SizeBytes: 90, Status: fleet.ModelAvailable,
			Digests: []string{"d9"}, ModifiedAt: model("", "", 90).ModifiedAt,
			Residencies: []fleet.Residency{{HostID: "h2", Host: "name of h2", Instance: "default", Digest: "d9", Status: fleet.ModelAvailable}},
		},
		{
			ID: fleet.ModelID("tiny"), Name: "tiny:latest", Digest: "d1", SizeBytes: 10, Status: fleet.ModelLoaded,
			Digests: []string{"d1"}, ModifiedAt: model("", "", 10).ModifiedAt,
			Residencies: []fleet.Residency{
				{HostID: "h1", Host: "name of h1", Instance: "default", Digest: "d1", Status: fleet.ModelAvailable},
				{
					HostID: "h2", Host: "name of h2", Instance: "default", Digest: "d1",
					Status: fleet.ModelLoaded, SizeVRAMBytes: 7, ExpiresAt: noon(),
				},
			},
		},
	}
	if diff := cmp.Diff(want, fleet.ModelsOf(r.Hosts())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestANameStandsForTheDigestThatMostHostsHold(t *testing.T) {
	r := registry("h1", "h2", "h3")
	common := model("tiny", "common", 10)
	// One host with two instances is still one host, and newer is not more.
	r.Report("h1", 1, noon(), []fleet.Instance{
		ready("a", model("tiny", "rare", 99)), ready("b", model("tiny", "rare", 99)), ready("c", model("tiny", "rare", 99)),
	})
	r.Report("h2", 1, noon(), []fleet.Instance{ready("default", common)})
	r.Report("h3", 1, noon(), []fleet.Instance{ready("default", common)})

	got := fleet.ModelsOf(r.Hosts())[0]
	if !got.Conflict || got.Digest != "common" {
		t.Errorf("digest %q, conflict %v, want common and true", got.Digest, got.Conflict)
	}
	if diff := cmp.Diff([]string{"common", "rare"}, got.Digests); diff != "" {
		t.Errorf("digests (-want +got)\n%s", diff)
	}
	if got.SizeBytes != 10 || !got.ModifiedAt.Equal(common.ModifiedAt) {
		t.Errorf("size %d and time %v describe another digest", got.SizeBytes, got.ModifiedAt)
	}
}

func TestOfEqualDigestsTheFirstByValueIsChosen(t *testing.T) {
	for _, hosts := range [][2]string{{"h1", "h2"}, {"h2", "h1"}} {
		r := registry("h1", "h2")
		r.Report(hosts[0], 1, noon(), []fleet.Instance{ready("default", model("tiny", "bbb", 1))})
		r.Report(hosts[1], 1, noon(), []fleet.Instance{ready("default", model("tiny", "aaa", 2))})
		if got := fleet.ModelsOf(r.Hosts())[0]; got.Digest != "aaa" {
			t.Errorf("digest is %q, want aaa", got.Digest)
		}
	}
}

func TestAnotherVersionInMemoryIsNotThisOne(t *testing.T) {
	r := registry("h1")
	pulled := ready("default", model("tiny", "new", 1))
	pulled.Loaded = []fleet.LoadedModel{{Name: "tiny:latest", Digest: "old"}}
	r.Report("h1", 1, noon(), []fleet.Instance{pulled})
	if got := fleet.ModelsOf(r.Hosts())[0].Status; got != fleet.ModelAvailable {
		t.Errorf("status is %q, want available", got)
	}
}
