package main

import (
	"net/http"

	"github.com/corral-fleet/corral/sdk/fault"
)

// explain says what the hub's errors mean, and what is to be done.
func (h *hub) explain(answer *http.Response, what string) *fault.Error {
	switch answer.Header.Get("X-Error-Code") {
	case "RepoNotFound":
		if h.knows {
			return fault.New(fault.NotFound, "there is no such repository, or the owner of token may not see it, so the plugin can't %s", what)
		}
		return fault.New(fault.NotFound, "there is no such repository, or it is not everybody's and needs a token, so the plugin can't %s", what)
	case "RevisionNotFound":
		return fault.New(fault.NotFound, "the repository has no such revision, so the plugin can't %s", what)
	case "EntryNotFound":
		return fault.New(fault.NotFound, "the repository has no such file, so the plugin can't %s", what)
	case "GatedRepo":
		if !h.knows {
			return fault.New(fault.Unauthenticated, "the repository is gated, so the plugin can't %s: accept its terms on the hub, and set token to one of the account that did", what)
		}
		return fault.New(fault.Forbidden, "the repository is gated, so the plugin can't %s: accept its terms on the hub with the account that token is of; a fine-grained token also needs the right to read gated repositories", what)
	case "DisabledRepo":
		return fault.New(fault.Forbidden, "the hub has disabled the repository, so the plugin can't %s", what)
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized && h.knows:
		return fault.New(fault.Unauthenticated, "the hub does not know token, or it has expired, so the plugin can't %s", what)
	case answer.StatusCode == http.StatusUnauthorized:
		return fault.New(fault.Unauthenticated, "the hub wants to know who asks, so the plugin can't %s: set token", what)
	case answer.StatusCode == http.StatusForbidden && h.knows:
		return fault.New(fault.Forbidden, "the owner of token may not %s, or the token has no right to read", what)
	case answer.StatusCode == http.StatusForbidden:
		return fault.New(fault.Forbidden, "not everybody may %s: set token to one of an account that may", what)
	}
	return nil
}
