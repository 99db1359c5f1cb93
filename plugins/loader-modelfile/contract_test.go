package main

import (
	"testing"

	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
)

func TestContract(t *testing.T) {
	loadertest.Run(t, func(*testing.T) loader.Loader { return modelfileLoader{} })
}
