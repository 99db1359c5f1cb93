#!/usr/bin/env bash
# Finds or builds the real Ollama that the tests and `make run` use.
#
#   ollama.sh path     print the path of the test build, building it when it is not in the cache
#   ollama.sh newest   the same for the newest release
#   ollama.sh find     print the ollama on PATH, or fail
#
# Only the path goes to standard output; everything else goes to standard error.
#
# The test build is the last release that carries its inference engine as Go
# packages, so a Go and a C++ compiler are all it needs, and it can run models.
# The newest release starts an external llama-server instead, which a Go module
# does not contain: it creates, lists and shows models and refuses to run them.
# It is there to find out whether its API still is what corral expects.
#
# Environment:
#   CORRAL_CACHE   where builds are kept; default $XDG_CACHE_HOME/corral or ~/.cache/corral
set -euo pipefail

readonly test_version=0.17.4
readonly newest_version=0.34.2
readonly module=github.com/ollama/ollama

# Module archives leave out every directory that is called "vendor", and that is
# where the test version keeps three libraries of headers. Two are Debian
# packages; the third is taken from a Go module that carries it elsewhere.
readonly packages=(g++ nlohmann-json3-dev libstb-dev)
readonly miniaudio_module=github.com/gen2brain/malgo@v0.11.24

cache=${CORRAL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither HOME nor CORRAL_CACHE is set}/.cache}/corral}/ollama
readonly cache

say() { echo "ollama.sh: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# optimisation prints the compiler flags for this machine. Without -march the
# engine's CPU code is built for the oldest x86-64 and is several times slower.
optimisation() {
  if [[ $(uname -m) == x86_64 ]] && grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    echo "-O3 -march=x86-64-v3"
  else
    echo "-O3"
  fi
}

# headers_compile says whether the compiler and the packaged headers are there.
headers_compile() {
  printf '#include <%s>\n' nlohmann/json.hpp nlohmann/json_fwd.hpp stb/stb_image.h |
    g++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null
}

# need_headers installs what is missing where it may, and else says what to install.
need_headers() {
  headers_compile && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing ${packages[*]}"
    {
      apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
    } >&2 || die "could not install ${packages[*]}"
    headers_compile && return
  fi
  die "building Ollama needs: apt-get install ${packages[*]}"
}

# need_miniaudio puts miniaudio.h under $1, a stable place: the folder is part of
# the compiler flags, and so of the key under which Go caches compiled packages.
need_miniaudio() {
  local dir=$1 source
  [[ -f $dir/miniaudio/miniaudio.h ]] && return
  source=$(cd / && go mod download -json "$miniaudio_module" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') ||
    die "${miniaudio_module} could not be downloaded"
  mkdir -p "$dir/miniaudio"
  cp "$source/miniaudio.h" "$dir/miniaudio/miniaudio.h.new"
  mv "$dir/miniaudio/miniaudio.h.new" "$dir/miniaudio/miniaudio.h"
}

# build compiles version $1 with C flags $2, C++ flags $3 and linker flags $4
# into the file $5, which appears only when it is complete.
build() (
  version=$1 file=$5
  include=$cache/include
  command -v go >/dev/null || die "building Ollama ${version} needs Go: https://go.dev/dl"
  need_headers
  need_miniaudio "$include"
  scratch=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  say "building Ollama ${version}, which takes some minutes once"
  # The engine's sources warn by the hundred; they matter only when it fails.
  if ! (cd / && CGO_ENABLED=1 CGO_CFLAGS=$2 CGO_CXXFLAGS="$3 -I$include" GOBIN=$scratch \
    go install -ldflags "$4" "$module@v$version") >"$scratch/log" 2>&1; then
    tail -n 40 "$scratch/log" >&2
    die "the build of Ollama ${version} failed; its last lines are above"
  fi
  mkdir -p "$(dirname "$file")"
  mv "$scratch/ollama" "$file"
)

# cached prints the path of version $1 and builds it first when it is missing.
# Two runs at once build it once: the second waits for the first.
cached() {
  local version=$1 flags cflags cxxflags ldflags key file
  flags=$(optimisation)
  cflags=$flags
  cxxflags="$flags -g0"
  # Without its version set, Ollama says 0.0.0.
  ldflags="-s -w -X=$module/version.Version=$version"
  key=$(printf '%s\n' "$(uname -m)" "$cflags" "$cxxflags" "$ldflags" "$miniaudio_module" | sha256sum | cut -c1-12)
  file=$cache/$version-$key/ollama
  if [[ ! -x $file ]]; then
    mkdir -p "$cache"
    (
      flock 9
      [[ -x $file ]] || build "$version" "$cflags" "$cxxflags" "$ldflags" "$file"
    ) 9>"$cache/$version-$key.lock"
  fi
  say "Ollama ${version} is a CPU build for tests and demos; the vendor's, with GPU support: https://ollama.com/download"
  echo "$file"
}

case ${1-} in
path) cached "$test_version" ;;
newest) cached "$newest_version" ;;
find) command -v ollama || die "no ollama on PATH; install it from https://ollama.com/download" ;;
*) die "usage: ollama.sh path|newest|find" ;;
esac
