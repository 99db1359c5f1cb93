package live

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Run pushes to every connection until ctx ends: the metrics each second, the
// list of models when it has changed, and of the hosts what it has asked for. It
// returns nil. Connections are the edge's: they end with it.
func (l *Live) Run(ctx context.Context) error {
	var pushing sync.WaitGroup
	pushing.Go(func() { l.pushMetrics(ctx) })
	pushing.Go(func() { l.pushModels(ctx) })
	pushing.Go(func() { l.pushProgress(ctx) })
	pushing.Go(func() { l.pushHosts(ctx) })
	pushing.Go(func() { l.pushHostMetrics(ctx) })
	pushing.Wait()
	return nil
}

func (l *Live) pushMetrics(ctx context.Context) {
	ticker := time.NewTicker(l.pace.metrics)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if l.hub.size() > 0 {
			l.push(aboutMetrics, l.metrics)
		}
	}
}

const (
	// modelsShare is how many times as long as a list of models took there is none after
	// it: where something changes all the time, lists take a twentieth of a core.
	modelsShare = 20
	// modelsPause is the longest that there is none for that.
	modelsPause = 5 * time.Second
)

// pushModels looks at the models at once and after each change, and then not
// again for a while: a host that reports a hundred models one by one is one or
// two lists. Nobody knows what those who came before the first look were told,
// so they hear of it.
func (l *Live) pushModels(ctx context.Context) {
	var last json.RawMessage
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		began := time.Now()
		changed, stored := l.registry.Changed(), l.catalogue() // before the look, so that no change is lost
		l.push(aboutModels, func() (json.RawMessage, error) {
			list, err := l.models()
			if err != nil || bytes.Equal(list, last) {
				return nil, err
			}
			last = list
			return list, nil
		})
		pause.Reset(max(l.pace.models, min(modelsPause, modelsShare*time.Since(began))))
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-stored:
		}
	}
}

// push tells every connection of what read returns, unless that is nothing.
func (l *Live) push(about topic, read func() (json.RawMessage, error)) {
	data, err := read()
	l.logFailure(about, err)
	if err == nil && data != nil {
		l.hub.push(about, data)
	}
}

// logFailure logs why nobody was told of a topic. There is nobody to answer: the
// next push comes all the same.
func (l *Live) logFailure(about topic, err error) {
	if err != nil {
		l.log.Error("push could not be encoded", "topic", about.String(), "error", err)
	}
}
