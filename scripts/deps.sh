#!/usr/bin/env bash
# Sees to it that programs of the system are there which the tests need.
#
#   deps.sh PROGRAM[=PACKAGE]...
#
# What is missing is installed from the Debian package, which has the same name
# unless it is given, where this may be done, which is as root; elsewhere the
# packages are named.
set -euo pipefail

missing=()
for wanted in "$@"; do
  command -v "${wanted%%=*}" >/dev/null || missing+=("${wanted##*=}")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "deps.sh: ${missing[*]} not found; on Debian: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "deps.sh: installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
for wanted in "$@"; do
  command -v "${wanted%%=*}" >/dev/null || {
    echo "deps.sh: the package ${wanted##*=} was installed and brought no program ${wanted%%=*}" >&2
    exit 1
  }
done
