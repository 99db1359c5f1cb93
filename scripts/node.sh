#!/usr/bin/env bash
# Fails, with a sentence, where there is no Node with npm that the dashboard can
# be built with.
set -euo pipefail

readonly major=20 minor=19

advice="Node $major.$minor or newer with npm is needed: https://nodejs.org/en/download; \`make build WITHOUT_DASHBOARD=1\` does without"
for program in node npm; do
  command -v "$program" >/dev/null || {
    echo "node.sh: there is no $program; $advice" >&2
    exit 1
  }
done
version=$(node --version)
if [[ ! $version =~ ^v([0-9]+)\.([0-9]+)\. ]] ||
  ((BASH_REMATCH[1] < major || BASH_REMATCH[1] == major && BASH_REMATCH[2] < minor)); then
  echo "node.sh: this is Node $version; $advice" >&2
  exit 1
fi
