#!/usr/bin/env bash
# Run a command on a parallel file system of which each machine has a view of its own: a MooseFS on this machine, mounted once for
# the command and once more for every slurmd that it starts, all at the same place. What a mount has seen, it believes for some seconds,
# as clients of NFS and Lustre do.
#
#     scripts/parallel-file-system.sh pytest -m slurm tests/scheduler/slurm --basetemp /tmp/hpcsim-shared/tests
#
# Needs root and /dev/fuse. HPCSIM_STALE: seconds for which a mount believes what it has seen (3).
set -euo pipefail

stale="${HPCSIM_STALE:-3}"
shared=/tmp/hpcsim-shared
# MooseFS refuses 127.0.0.1; this one is on the loopback device, too
address=10.77.77.77

missing=0
for tool in mfsmaster mfschunkserver mfsmount; do
    PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || missing=1
done
if [ "$missing" = 1 ]; then
    "$(dirname "${BASH_SOURCE[0]}")/debian-install.sh" moosefs-master moosefs-chunkserver moosefs-client
fi

root=$(mktemp -d)
chmod 755 "$root"
mkdir -p "$root"/{master,chunks,disk,bin} "$shared"
cp /var/lib/mfs/metadata.mfs.empty "$root/master/metadata.mfs"
echo '* / rw,alldirs,maproot=0:0' >"$root/exports.cfg"
echo "$root/disk" >"$root/disks.cfg"
cat >"$root/master.cfg" <<CONFIG
WORKING_USER=root
WORKING_GROUP=root
DATA_PATH=$root/master
EXPORTS_FILENAME=$root/exports.cfg
MATOML_LISTEN_HOST=$address
MATOCS_LISTEN_HOST=$address
MATOCL_LISTEN_HOST=$address
CONFIG
cat >"$root/chunks.cfg" <<CONFIG
WORKING_USER=root
WORKING_GROUP=root
DATA_PATH=$root/chunks
HDD_CONF_FILENAME=$root/disks.cfg
MASTER_HOST=$address
BIND_HOST=$address
CSSERV_LISTEN_HOST=$address
CONFIG

# the mount ends with its namespace; a slurmd that outlives the command keeps its own until it ends
view="mfsmount $shared -H $address -o mfsattrcacheto=$stale,mfsentrycacheto=$stale,mfsdirentrycacheto=$stale,mfsnegentrycacheto=$stale"
cat >"$root/bin/slurmd" <<SLURMD
#!/bin/sh
exec unshare -m sh -c 'cd / && umount -l $shared && $view >/dev/null && exec /usr/sbin/slurmd "\$@"' slurmd "\$@"
SLURMD
chmod 755 "$root/bin/slurmd"

end() {
    # what slurmd left mounted waits for a master that will not come back
    mounts=$(pgrep -f "^mfsmount .mounted on: $shared") && kill $mounts
    mfschunkserver -c "$root/chunks.cfg" stop &>/dev/null || true
    mfsmaster -c "$root/master.cfg" stop &>/dev/null || true
    ip address del "$address/32" dev lo
    rm -rf "$root"
}
trap end EXIT
export PATH="$root/bin:$PATH:/usr/sbin"
{
    ip address add "$address/32" dev lo
    mfsmaster -c "$root/master.cfg" start
    mfschunkserver -c "$root/chunks.cfg" start
} >"$root/daemons.log" 2>&1 || { cat "$root/daemons.log"; exit 1; }
# the master is told of the disk some seconds later
sleep 5

unshare -m bash -euc "$view >/dev/null; code=0; \"\$@\" || code=\$?; umount -l $shared; exit \$code" bash "$@"
