#!/usr/bin/env bash
# Boots this machine's own systemd once more, as process 1 of namespaces of its
# own, on a root of which nothing that is changed outlives it.
#
#   boot.sh SCRATCH CGROUP PATH...
#
# SCRATCH is an empty folder, CGROUP the folder of a control group that was made
# for it. Each PATH is there as it is here, though it may be a mount of its own.
# It is started in new namespaces for mounts, processes, names, messages and the
# network; the one for control groups it makes itself, once it is in its group.
set -euo pipefail

scratch=$1
if [[ ${2-} != "" ]]; then
  echo 0 >"$2/cgroup.procs"
  exec unshare --cgroup "$0" "$scratch" "" "${@:3}"
fi

mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/root"
root=$scratch/root
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" # which a boot would clear
for path in "${@:3}"; do
  mkdir -p "$root$path"
  mount --bind "$path" "$root$path"
  mount -o remount,bind,ro "$root$path"
done
cd "$root"

# Only what is asked for runs, none of what this machine has, and nothing that
# would reach beyond the namespaces: settings of the kernel, modules, devices.
rm -rf etc/systemd/system
mkdir etc/systemd/system
ln -s /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in getty.target remote-fs.target tmp.mount dev-hugepages.mount dev-mqueue.mount \
  sys-fs-fuse-connections.mount sys-kernel-{config,debug,tracing}.mount \
  proc-sys-fs-binfmt_misc.automount modprobe@.service \
  systemd-{binfmt,logind,modules-load,networkd,resolved,sysctl,timesyncd,update-utmp,udevd,udev-trigger}.service \
  systemd-udevd-{control,kernel}.socket systemd-journald-audit.socket systemd-tmpfiles-clean.timer; do
  ln -s /dev/null "etc/systemd/system/$unit"
done
: >etc/fstab
: >etc/machine-id

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd

mkdir .old
pivot_root . .old
umount -l .old
rmdir .old
mount --make-rshared / # as whoever starts a container does; credentials need it
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no
