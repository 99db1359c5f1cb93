#!/usr/bin/env bash
# Finds, builds or unpacks the real servers that storage plugins are tested against and
# that benchmarks compare with, and prints the path of one.
#
#   server.sh versitygw         S3, in front of a directory
#   server.sh azurite-blob      Azure Blob Storage, which is a program of Node's
#   server.sh fake-gcs-server   Google Cloud Storage
#   server.sh nginx             a proxy
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

# from_debian prints the path of the system's nginx, or else of that in Debian's package.
# The package is unpacked, not installed: installed, nginx would be started as a service.
from_debian() {
  local program=$cache/nginx/usr/sbin/nginx installed
  if installed=$(PATH=$PATH:/usr/sbin type -P nginx) && [[ -x $installed ]]; then
    echo "$installed"
    return
  fi
  if [[ ! -x $program ]]; then
    if ! command -v apt-get >/dev/null; then
      echo "server.sh: nginx not found; on Debian: sudo apt-get install nginx-light" >&2
      return 1
    fi
    mkdir -p "$cache"
    (
      flock 9
      [[ -x $program ]] || unpack nginx "$cache/nginx" >&2
    ) 9>"$cache/nginx.lock"
  fi
  if ! "$program" -v 2>/dev/null && [[ $(id -u) == 0 ]]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libcrypt1 libpcre2-8-0 libssl3 zlib1g >&2
  fi
  "$program" -v >&2
  echo "$program"
}

# unpack downloads a package and puts what it has below a folder, all or nothing.
unpack() {
  local package=$1 folder=$2 work
  work=$(mktemp -d "$folder.XXXXXX")
  (
    cd "$work"
    # The lists of packages may be missing, which only root can change.
    apt-get download -qq "$package" || { [[ $(id -u) == 0 ]] && apt-get update -qq && apt-get download -qq "$package"; }
    dpkg-deb --extract ./*.deb content
    rm -rf "$folder"
    mv content "$folder"
  )
  rm -rf "$work"
}

cache=${CORRAL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither HOME nor CORRAL_CACHE is set}/.cache}/corral}
case ${1-} in
nginx)
  from_debian
  exit
  ;;
azurite-blob)
  azurite
  exit
  ;;
versitygw) version=v1.8.0 package=github.com/versity/versitygw/cmd/versitygw ;;
fake-gcs-server) version=v1.56.1 package=github.com/fsouza/fake-gcs-server ;;
*)
  echo "server.sh: usage: server.sh versitygw|azurite-blob|fake-gcs-server|nginx" >&2
  exit 2
  ;;
esac

folder=$cache/bin/$(cd / && go env GOVERSION)
program=$folder/$1@$version
mkdir -p "$folder"
# Two runs at once build it once: the second waits for the first.
(
  flock 9
  [[ -x $program ]] || "$here/tool.sh" "$program" "$package" >&2
) 9>"$program.lock"
echo "$program"
