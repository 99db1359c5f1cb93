package models

import (
	"maps"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/fetch"
	"github.com/corral-fleet/corral/agent/internal/models/plugins"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// layersOf returns the recipe's layers, ready to be read.
func layersOf(job *work.Job, from *fetch.Client, through *plugins.Plugins) ([]*layer, error) {
	files := map[string]*fetch.File{}
	for _, name := range slices.Sorted(maps.Keys(job.Sources)) {
		source := job.Sources[name]
		if onlyCreated(job.Recipe) || !job.Whole(name) {
			source.Peers = nil // what comes from them has to have a digest, and to be fetched anew where it is wrong
		}
		var more []fetch.Opener
		if source.Plugin != nil {
			more = append(more, through.File(source.Plugin, source.SizeBytes))
		}
		f, err := from.File(name, source, more...)
		if err != nil {
			return nil, err
		}
		files[name] = f
	}
	var layers []*layer
	for _, l := range job.Recipe.Layers {
		made, err := newLayer(withDigest(l, job.Sources), files)
		if err != nil {
			return nil, err
		}
		if peers := job.Peers[made.SHA256]; len(peers) > 0 && !onlyCreated(job.Recipe) {
			if err := made.preferPeers(from, peers); err != nil {
				return nil, err
			}
		}
		layers = append(layers, made)
	}
	return layers, nil
}

// withDigest gives a layer that is a whole file the file's digest.
func withDigest(l loader.Layer, sources map[string]work.Source) loader.Layer {
	if l.SHA256 == "" && len(l.Parts) == 1 && l.Parts[0].OffsetBytes == 0 {
		if s, ok := sources[l.Parts[0].File]; ok && s.SizeBytes == l.SizeBytes {
			l.SHA256 = s.SHA256
		}
	}
	return l
}
