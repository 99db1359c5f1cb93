#!/usr/bin/env bash
# Finds or builds the real servers that storage plugins are tested against, and prints
# the path of one.
#
#   server.sh versitygw         S3, in front of a directory
#   server.sh azurite-blob      Azure Blob Storage, which is a program of Node's
#   server.sh fake-gcs-server   Google Cloud Storage
#
# Only the path goes to standard output; everything else goes to standard error.
#
# Environment:
#   CORRAL_CACHE   where builds are kept; default $XDG_CACHE_HOME/corral or ~/.cache/corral
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# azurite prints the path of Azurite, which stands beside the tests with all that it needs.
azurite() {
  local folder=$here/../e2e/azurite
  if [[ ! -e $folder/node_modules/.package-lock.json ]]; then
    "$here/node.sh"
    (
      flock 9
      [[ -e $folder/node_modules/.package-lock.json ]] || npm ci --no-audit --no-fund --prefix "$folder" >&2
    ) 9>"$folder/.lock"
  fi
  realpath "$folder/node_modules/.bin/azurite-blob"
}

case ${1-} in
azurite-blob)
  azurite
  exit
  ;;
versitygw) version=v1.8.0 package=github.com/versity/versitygw/cmd/versitygw ;;
fake-gcs-server) version=v1.56.1 package=github.com/fsouza/fake-gcs-server ;;
*)
  echo "server.sh: usage: server.sh versitygw|azurite-blob|fake-gcs-server" >&2
  exit 2
  ;;
esac

folder=${CORRAL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither HOME nor CORRAL_CACHE is set}/.cache}/corral}/bin/$(cd / && go env GOVERSION)
program=$folder/$1@$version
mkdir -p "$folder"
# Two runs at once build it once: the second waits for the first.
(
  flock 9
  [[ -x $program ]] || "$here/tool.sh" "$program" "$package" >&2
) 9>"$program.lock"
echo "$program"
