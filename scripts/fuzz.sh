#!/usr/bin/env bash
# Runs every fuzz target of some packages, one after the other.
#
#   fuzz.sh DURATION PACKAGE...
#
# An input that fails is kept in the package's testdata/fuzz: commit it with the
# fix. Every target is tried, and the exit status says whether one failed.
set -euo pipefail

duration=$1
shift

# targets prints a package and the name of a target in it, one pair a line.
targets() {
  local dir package
  go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}' "$@" |
    while read -r dir package; do
      { grep -hoE '^func Fuzz\w+' "$dir"/*_test.go || true; } |
        sed "s|^func |$package |"
    done
}

found=$(targets "$@")
mapfile -t pairs <<<"$found"
if [[ -z $found ]]; then
  echo "fuzz.sh: no fuzz target found in $*" >&2
  exit 1
fi

failed=()
for pair in "${pairs[@]}"; do
  read -r package target <<<"$pair"
  echo "$package $target"
  # A failing input is worth five seconds of making it smaller, not a minute.
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 5s "$package" ||
    failed+=("$package $target")
done

if [[ ${#failed[@]} -gt 0 ]]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "${#pairs[@]} fuzz targets passed"
