#!/usr/bin/env bash
# A whole system on this machine: a control plane, an agent and an Ollama.
# `make run` builds the programs and calls this. Ctrl-C stops all that was
# started here and nothing else; a second one stops it at once.
#
# Environment, each also a variable of make:
#   LISTEN           where the control plane listens; default 127.0.0.1:11435
#   OLLAMA_URL       an Ollama that answers there is used as it is, and where
#                    none does one is started; default http://127.0.0.1:11434
#   CORRAL_DATA      where state, logs and the key are kept; default .cache/run
#   CORRAL_BIN_DIR   where the programs are; default bin
#   OLLAMA_MODELS    where an Ollama that is started here has its models
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
listen=${LISTEN:-127.0.0.1:11435}
ollama_url=${OLLAMA_URL:-http://127.0.0.1:11434}
bin=${CORRAL_BIN_DIR:-$root/bin}
data=${CORRAL_DATA:-$root/.cache/run}
readonly root listen ollama_url bin

readonly start_limit=60 # seconds for a program to be ready
readonly stop_limit=20  # seconds for a program to end by itself
readonly key_name=make-run

interrupts=0
declare -A pids=() # of what was started here, by its name

say() { echo "run.sh: $*"; }
complain() { echo "run.sh: $*" >&2; }

# get prints the body of a GET of URL $1, or fails where the status is not 200.
# It does without curl, which a fresh machine may not have.
get() {
  local hostport=${1#http://} path=/ field line status
  if [[ $hostport == */* ]]; then
    path=/${hostport#*/}
    hostport=${hostport%%/*}
  fi
  [[ $hostport == *:* ]] || hostport=$hostport:80
  {
    exec 3<>"/dev/tcp/${hostport%:*}/${hostport##*:}" || return 1
  } 2>/dev/null
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n' "$path" "$hostport" >&3
  for field in "${@:2}"; do
    printf '%s\r\n' "$field" >&3
  done
  printf '\r\n' >&3
  read -r -t 5 _ status _ <&3 || status=none
  if [[ $status == 200 ]]; then
    while read -r -t 5 line <&3 && [[ ${line%$'\r'} ]]; do :; done
    cat <&3
  fi
  exec 3>&-
  [[ $status == 200 ]]
}

# launch starts program $1 under its name in a session of its own, so that
# Ctrl-C in a terminal reaches this script alone, which then ends the programs
# in their order. Should this script be killed, they are told to end as well.
launch() {
  local name=$1
  setsid setpriv --pdeathsig TERM -- "$bin/$name" "${@:2}" >"$data/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
}

# await calls a function until it succeeds, and fails when the program $1 has
# ended, time is up, or somebody lost patience.
await() {
  local name=$1 deadline=$((SECONDS + start_limit))
  until "${@:2}"; do
    ((interrupts == 0)) || return
    if ! kill -0 "${pids[$name]}" 2>/dev/null; then
      complain "$name has ended; the end of its log ($data/$name.log):"
    elif ((SECONDS >= deadline)); then
      complain "$name is not ready after $start_limit seconds; the end of its log ($data/$name.log):"
    else
      sleep 0.1 || true # Ctrl-C ends it
      continue
    fi
    tail -n 20 "$data/$name.log" >&2
    return 1
  done
}

# end stops program $1 and waits until it is gone.
end() {
  local pid=${pids[$1]-} deadline=$((SECONDS + stop_limit))
  [[ $pid ]] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((interrupts > 1 || SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
    fi
    sleep 0.05 || true
  done
}

# The agent goes first: it takes its Ollama along and says goodbye.
stop() {
  trap - EXIT
  end corral-agent
  end corral-controlplane
}

# ready looks at the log as well: somebody else's server may answer there.
ready() {
  grep -q 'listening: address=' "$data/corral-controlplane.log" && get "http://$listen/readyz" >/dev/null
}

joined_and_ready() {
  local report
  report=$("$bin/corral-agent" status --data-dir "$data/agent" 2>/dev/null) && [[ $report != *$'\nproblem '* ]]
}

# first_model prints the name of a model that the fleet has.
first_model() {
  local tags
  tags=$(get "http://$listen/api/tags" "Authorization: Bearer $key") || return
  [[ $tags =~ \"name\":\"([^\"]+)\" ]] && echo "${BASH_REMATCH[1]}"
}

has_model() { first_model >/dev/null; }

start_controlplane() {
  launch corral-controlplane serve --data-dir "$data/controlplane" --listen "$listen"
  await corral-controlplane ready && return
  if grep -q 'is taken' "$data/corral-controlplane.log"; then
    complain "to have this one elsewhere: make run LISTEN=127.0.0.1:11436"
  fi
  return 1
}

# make_key leaves the key of this system in $key. It is made once, before the
# control plane starts, which so knows it from its beginning.
make_key() {
  if [[ ! -s $data/key ]]; then
    "$bin/corral-controlplane" key create --data-dir "$data/controlplane" --name "$key_name" --role admin >"$data/key.new"
    mv "$data/key.new" "$data/key"
  fi
  key=$(<"$data/key")
}

# choose_ollama leaves in $ollama_flags which Ollama the agent looks after.
choose_ollama() {
  local program
  if get "$ollama_url/api/version" >/dev/null; then
    say "using the Ollama that answers at $ollama_url, as it is"
    ollama_flags=(--ollama-mode attached --ollama-url "$ollama_url")
    return
  fi
  if ! program=$(command -v ollama); then
    say "there is no ollama on the PATH"
    program=$("$root/scripts/ollama.sh" path) # says that it is a CPU build, and where the vendor's is
  fi
  ollama_flags=(--ollama-mode managed --ollama-url "$ollama_url" --ollama-bin "$program" --demo-model)
  # Models that somebody has downloaded are found again. Where there are none
  # yet, nothing is put into the home folder of who only tries this out.
  if [[ ! ${OLLAMA_MODELS-} && ! -d ${HOME-}/.ollama/models ]]; then
    ollama_flags+=(--ollama-models-dir "$data/models")
  elif [[ ${OLLAMA_MODELS-} ]]; then
    ollama_flags+=(--ollama-models-dir "$OLLAMA_MODELS")
  fi
}

start_agent() {
  if [[ ! -e $data/agent/joined.json ]]; then
    CORRAL_AGENT_TOKEN=$("$bin/corral-controlplane" token create --data-dir "$data/controlplane")
    export CORRAL_AGENT_TOKEN
  fi
  launch corral-agent run --data-dir "$data/agent" --server "http://$listen" "${ollama_flags[@]}"
  unset CORRAL_AGENT_TOKEN
  await corral-agent joined_and_ready
}

explain() {
  local model link follow="logs your browser in: once, within 15 minutes"
  model=$(first_model) || model=MODEL
  if ! link=$("$bin/corral-controlplane" key link "$key_name" --data-dir "$data/controlplane" --url "http://$listen"); then
    link=http://$listen/
    follow="asks for the key"
  fi
  cat <<END

  corral serves at  http://$listen
  the key is        $key
  logs are in       $data

  open              $link
                    $follow

Try:
  curl -s http://$listen/api/chat -H "Authorization: Bearer $key" -d '{"model": "$model", "message": "Hello?"}'
  OLLAMA_HOST=http://$listen/k/$key ollama run $model "Hello?"

Ctrl-C stops it.
END
  [[ $model != MODEL ]] || echo "The Ollama has no model yet: ollama pull llama3.2"
}

# watch returns when somebody wants an end, or fails when a program ended by itself.
watch() {
  local name
  while ((interrupts == 0)); do
    wait -n "${pids[@]}" && true
    ((interrupts == 0)) || return 0
    for name in "${!pids[@]}"; do
      kill -0 "${pids[$name]}" 2>/dev/null && continue
      complain "$name has ended; the end of its log ($data/$name.log):"
      tail -n 20 "$data/$name.log" >&2
      return 1
    done
  done
}

main() {
  umask 077 # keys and state are the owner's alone
  mkdir -p "$data"
  data=$(cd "$data" && pwd)
  trap 'interrupts=$((interrupts + 1))' INT TERM HUP
  trap stop EXIT
  make_key
  start_controlplane
  ((interrupts == 0)) || return 0
  choose_ollama
  ((interrupts == 0)) || return 0
  start_agent
  if [[ ${ollama_flags[*]} == *--demo-model* ]]; then
    await corral-agent has_model
  fi
  ((interrupts == 0)) || return 0
  explain
  watch
}

main
