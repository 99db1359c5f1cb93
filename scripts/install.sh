#!/usr/bin/env bash
# Puts programs and units in place, or takes them away again.
#
#   install.sh install BIN     what is in the folder BIN
#   install.sh uninstall       what was installed, but no settings and no state
#
# Environment:
#   PREFIX    where programs and units go; default /usr/local
#   DESTDIR   a folder in front of every path, as for a package; nothing of this
#             machine is touched then but that folder
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}
units=$prefix/lib/systemd/system

# polkit reads rules here and in /etc alone.
rules=/etc/polkit-1/rules.d
[[ $prefix == /usr ]] && rules=/usr/share/polkit-1/rules.d

programs=(corral corral-controlplane corral-agent corral-gpuprobe corral-modelworker corral-plugin corral-plugin-shim plugincheck)
# The control plane finds its plugins beside itself, and runs those that the lock names.
plugins=()
for plugin in plugins/storage-*/ plugins/loader-*/; do plugins+=("corral-plugin-$(basename "$plugin")"); done
services=(corral-agent.service corral-controlplane.service corral-ollama@.service)

# put FILE PATH [MODE] copies a file. Its programs are named as they are installed.
put() { sed "s,=/usr/bin/,=$prefix/bin/," "$1" | install -D -m "${3:-0644}" /dev/stdin "$dest$2"; }

# reload has systemd see what has changed, where it runs.
reload() {
  [[ -z $dest && -d /run/systemd/system ]] || return 0
  systemctl daemon-reload
}

case ${1-} in
install)
  for program in "${programs[@]}"; do
    [[ -x ${2:?the folder with the programs}/$program ]] || { echo "install.sh: no $program in $2; make build comes first" >&2; exit 1; }
  done
  for plugin in "${plugins[@]}"; do
    if [[ -x $2/$plugin ]]; then programs+=("$plugin"); fi
  done
  for program in "${programs[@]}"; do
    # A program that runs keeps its file: the new one takes the name.
    install -D -m 0755 "$2/$program" "$dest$prefix/bin/.$program.new"
    mv "$dest$prefix/bin/.$program.new" "$dest$prefix/bin/$program"
  done
  put "$2/plugins.lock" "$prefix/bin/plugins.lock"
  # What plugins are built with, which "corral-plugin new" leads to.
  rm -rf "$dest$prefix/share/corral/sdk"
  install -d "$dest$prefix/share/corral"
  cp -R sdk "$dest$prefix/share/corral/sdk"
  for service in "${services[@]}"; do put "configs/systemd/$service" "$units/$service"; done
  put configs/systemd/corral.sysusers.conf "$prefix/lib/sysusers.d/corral.conf"
  put configs/systemd/corral.tmpfiles.conf "$prefix/lib/tmpfiles.d/corral.conf"
  put configs/systemd/corral.rules "$rules/50-corral.rules"
  for settings in agent controlplane; do
    [[ -e $dest/etc/corral/$settings.yaml ]] || put "configs/$settings.example.yaml" "/etc/corral/$settings.yaml"
  done
  if [[ -z $dest ]]; then
    systemd-sysusers "$prefix/lib/sysusers.d/corral.conf"
    systemd-tmpfiles --create "$prefix/lib/tmpfiles.d/corral.conf"
  fi
  reload
  ;;
uninstall)
  if [[ -z $dest && -d /run/systemd/system ]]; then
    systemctl disable --now corral-agent.service corral-controlplane.service 'corral-ollama@*.service' 2>/dev/null || true
    systemctl stop 'corral-ollama@*.service'
  fi
  for program in "${programs[@]}" "${plugins[@]}" plugins.lock; do rm -f "$dest$prefix/bin/$program"; done
  for service in "${services[@]}"; do rm -f "$dest$units/$service"; done
  rm -f "$dest$prefix/lib/sysusers.d/corral.conf" "$dest$prefix/lib/tmpfiles.d/corral.conf" "$dest$rules/50-corral.rules"
  rm -rf "$dest$prefix/share/corral"
  reload
  echo "settings are left in $dest/etc/corral, state in $dest/var/lib/corral-*" >&2
  ;;
*)
  echo "usage: install.sh install BIN | uninstall" >&2
  exit 2
  ;;
esac
