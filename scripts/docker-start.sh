#!/usr/bin/env bash
# A Docker engine for trial where none runs, from Debian's packages, without systemd; prints where it listens:
#
#     export DOCKER_HOST="$(scripts/docker-start.sh)"; ...; scripts/docker-start.sh --stop
#
# It keeps its images in a folder of HPCSIM_CACHE (else ~/.cache/hpcsim) and leaves the network of this machine alone: containers that
# want a network take `--network host`. Root alone can start it.
set -euo pipefail
folder="${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}/docker"
socket="unix://$folder/docker.sock"
answers() { DOCKER_HOST="$1" docker version >/dev/null 2>&1; }

if [ "${1:-}" = --stop ]; then
    pid=$(cat "$folder/dockerd.pid" 2>/dev/null) || exit 0
    kill -TERM "$pid" 2>/dev/null || exit 0
    for _ in $(seq 150); do
        # one that is over, and that nobody waits for, still has a number
        [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || exit 0
        sleep 0.1
    done
    echo "the Docker engine with process id $pid does not end" >&2
    exit 1
fi

if ! command -v dockerd >/dev/null && ! PATH="$PATH:/usr/sbin" command -v dockerd >/dev/null; then
    "$(dirname "${BASH_SOURCE[0]}")/debian-install.sh" docker.io iptables ca-certificates
fi
for known in "${DOCKER_HOST:-unix:///var/run/docker.sock}" "$socket"; do
    if answers "$known"; then
        echo "$known"
        exit
    fi
done
mkdir -p "$folder"
rm -f "$folder/dockerd.pid" "$folder/docker.sock"
# where a container may not raise its limits, it keeps these
echo '{"default-ulimits": {"nofile": {"Name": "nofile", "Hard": 1024, "Soft": 1024}}}' >"$folder/daemon.json"
PATH="$PATH:/usr/sbin" setsid dockerd --config-file "$folder/daemon.json" --data-root "$folder/data" --exec-root "$folder/exec" \
    --pidfile "$folder/dockerd.pid" --host "$socket" --storage-driver overlay2 \
    --iptables=false --ip6tables=false --bridge=none >"$folder/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 80); do
    if answers "$socket"; then
        echo "$socket"
        exit
    fi
    sleep 0.25
done
tail -20 "$folder/dockerd.log" >&2
exit 1
