package fleet

import "testing"

func TestVersionsHaveTheirRoutes(t *testing.T) {
	const all = ResponsesRoute | MessagesRoute
	for version, want := range map[string]Routes{
		"0.13.2": 0, "0.13.3": ResponsesRoute, "0.13.10": ResponsesRoute, "0.14.0-rc1": all, "v0.14.0": all, "0.17.4": all, "1.0.0": all,
		"": all, "0.0.0": all, "main": all, "0.9": all, "0.9.-1": all, "0.5.7": 0,
	} {
		if got := RoutesOf(version); got != want {
			t.Errorf("%q has %b, want %b", version, got, want)
		}
	}
	if route, since := RouteOf("/v1/messages"); route != MessagesRoute || since != "0.14.0" {
		t.Errorf("%b since %q", route, since)
	}
	if route, since := RouteOf("/api/chat"); route != 0 || since != "" {
		t.Errorf("%b since %q", route, since)
	}
}
