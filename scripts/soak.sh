#!/usr/bin/env bash
# What is too long for every day: the packages' tests many times over, a large
# fleet that comes back after its control plane was killed, hosts that fail in
# every way while many clients stream, models on their way while processes are
# killed by chance, services under a real systemd, a dashboard that is left open, an
# agent and its probe for an hour, and long fuzzing.
#
#   soak.sh BIN RUNS FUZZTIME PACKAGE...
#
# BIN is the folder with the built programs. Environment:
#   CORRAL_OLLAMA_BIN     the Ollama that the tests use
#   CORRAL_STORM_AGENTS   how many agents come back at once; default 200
set -euo pipefail

bin=$1
runs=$2
fuzztime=$3
shift 3

export CORRAL_BIN_DIR=$bin
export CORRAL_STORM_AGENTS=${CORRAL_STORM_AGENTS:-200}
go test -race -count=3 -timeout 20m -v ./e2e/bench/storm

CORRAL_FAULT_CLIENTS=200 CORRAL_FAULT_ROUNDS=10 CORRAL_FAULT_SLOW=30s go test -race -count=1 -timeout 60m -v -run '^TestFaults$' ./e2e

CORRAL_MODEL_KILLS=200 go test -race -count=1 -timeout 60m -v -run '^TestModelsOutliveKillsByChance$' ./e2e

CORRAL_PARENT_KILLS=60 go test -race -count=1 -timeout 60m -v -run '^TestHostsThatReadFromEachOtherOutliveKillsByChance$' ./e2e

CORRAL_MUST_RUN=${CORRAL_MUST_RUN:+$CORRAL_MUST_RUN,}boot go test -race -count=3 -timeout 20m -run 'Systemd|OllamaAlone|Machine' ./e2e ./e2e/systemdtest

go run ./e2e/bench/cmd/dashbench -controlplane "$bin/corral-controlplane" -heap 10m -enforce

go run ./e2e/bench/cmd/agentbench -gpu recorded:dgxh100 -controlplane "$bin/corral-controlplane" -agent "$bin/corral-agent" \
  -settle 10m -for 1h -enforce

packages=()
for package in "$@"; do
  if [[ $package != ./e2e/* ]]; then packages+=("$package"); fi
done
go test -race -count="$runs" -timeout 12h "${packages[@]}"

"$(dirname "$0")/fuzz.sh" "$fuzztime" "$@"
