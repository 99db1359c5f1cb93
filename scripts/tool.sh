#!/usr/bin/env bash
# Builds a tool that is pinned to a version and puts it where it is kept.
#
#   tool.sh FOLDER/NAME@VERSION PACKAGE
#
# The tool is there whole or not at all, however many of these run at once.
set -euo pipefail

target=$1
package=$2
version=${target##*@}
folder=$(dirname "$target")

echo "building ${package}@${version}, once; this takes some minutes" >&2
mkdir -p "$folder"
tmp=$(mktemp -d "$folder/.build.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
GOBIN=$tmp GOWORK=off go install -trimpath "${package}@${version}"
mv "$tmp/$(basename "$package")" "$target"
