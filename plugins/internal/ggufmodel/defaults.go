package ggufmodel

import (
	"github.com/corral-fleet/corral/plugins/internal/chattemplate"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Defaults returns what a model is planned with: the template of its chat, as far as
// that is known.
func Defaults(info loader.Info) loader.Defaults {
	t, found := chattemplate.Find(info.Template)
	if !found || info.Kind != loader.KindModel {
		return loader.Defaults{}
	}
	return loader.Defaults{Template: t.Text, Parameters: t.Parameters}
}
