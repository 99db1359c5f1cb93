#!/usr/bin/env bash
# Prints the packages with tests that the race detector has to leave out, such
# as those that count allocations: it makes some of its own.
#
#   norace.sh FOLDER...
set -euo pipefail

grep -rlE --include='*_test.go' --exclude-dir=node_modules '^//go:build .*!race' "$@" |
  xargs -n 1 dirname | sort -u | sed 's|^|./|'
