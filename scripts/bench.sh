#!/usr/bin/env bash
# Runs the benchmarks: those in the packages, then those of the built programs.
#
#   bench.sh BIN REPORTS RCLONE PACKAGE...
#
# BIN is the folder with the built programs, REPORTS the one that gets the reports,
# RCLONE the program that storage plugins are compared with.
# Nothing here fails because a machine is slow: the reports say which targets were
# met. It takes about half an hour, in which the machine should do nothing else.
set -euo pipefail

bin=$1
reports=$2
rclone=$3
shift 3
mkdir -p "$reports"

controlplane=$bin/corral-controlplane
agent=$bin/corral-agent
if [[ ! -x $controlplane || ! -x $agent ]]; then
  echo "bench.sh: $controlplane and $agent are needed: make build" >&2
  exit 1
fi

# has_benchmarks prints the packages that have any: building the tests of the
# others would take most of the time.
has_benchmarks() {
  local dir package
  go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}' "$@" |
    while read -r dir package; do
      if grep -qE '^func Benchmark\w+' "$dir"/*_test.go; then echo "$package"; fi
    done
}

packages=$(has_benchmarks "$@")
if [[ -n $packages ]]; then
  # One package at a time, or they would measure each other.
  # shellcheck disable=SC2086 # a list of import paths, which hold no spaces
  go test -p 1 -run '^$' -bench . -benchmem $packages | tee "$reports/packages.txt"
fi

go run ./e2e/bench/cmd/chatbench -controlplane "$controlplane" -agent "$agent" -out "$reports/chat.md"
go run ./e2e/bench/cmd/chatbench -hosts 1 -controlplane "$controlplane" -agent "$agent" -out "$reports/chat-one-host.md"
go run ./e2e/bench/cmd/streambench -controlplane "$controlplane" -agent "$agent" -out "$reports/streams.md"
go run ./e2e/bench/cmd/agentbench -controlplane "$controlplane" -agent "$agent" -out "$reports/agent.md"
go run ./e2e/bench/cmd/agentbench -gpu recorded:dgxh100 -controlplane "$controlplane" -agent "$agent" -out "$reports/agent-gpus.md"
go run ./e2e/bench/cmd/socketbench -controlplane "$controlplane" -agent "$agent" -out "$reports/sockets.md"
go run ./e2e/bench/cmd/fleetbench -controlplane "$controlplane" -out "$reports/fleet.md"

# What a file costs through a plugin, beside the same code in the test program of its
# package, and rclone.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go build -o "$tools/pluginbench" ./e2e/bench/cmd/pluginbench
go test -c -o "$tools/storage-s3.test" ./plugins/storage-s3
"$tools/pluginbench" -fs "$bin/corral-plugin-storage-fs" -s3 "$bin/corral-plugin-storage-s3" -inprocess "$tools/storage-s3.test" \
  -versitygw "$(scripts/server.sh versitygw)" -rclone "$rclone" -out "$reports/plugins.md"

go run ./e2e/bench/cmd/uploadbench -controlplane "$controlplane" -out "$reports/uploads.md"
go run ./e2e/bench/cmd/modelbench -controlplane "$controlplane" -agent "$agent" -ollama "${CORRAL_OLLAMA_BIN:-$(scripts/ollama.sh path)}" \
  -versitygw "$(scripts/server.sh versitygw)" -out "$reports/models.md"

scripts/deps.sh chromium
go run ./e2e/bench/cmd/dashbench -controlplane "$controlplane" -out "$reports/dashboard.md"
