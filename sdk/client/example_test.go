package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/corral-fleet/corral/sdk/client"
)

func Example() {
	controlPlane := httptest.NewServer(answer(200, `[
		{"name": "gpu-1", "state": "online", "instances": [{"name": "default", "version": "0.17.4"}]},
		{"name": "gpu-2", "state": "away"}
	]`))
	defer controlPlane.Close()

	c, err := client.New(controlPlane.URL, "crl_example", client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts, err := c.Hosts(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hosts {
		fmt.Println(h.Name, h.State)
	}
	// Output:
	// gpu-1 online
	// gpu-2 away
}
