#!/usr/bin/env bash
# The Dockerfile, built and used: the quickstart as some user, two MPI ranks, and a sweep on the image's own Slurm.
#
# What passed is remembered in HPCSIM_CACHE (else ~/.cache/hpcsim) under all that the image is made of: the same again is not checked again,
# unless with --force. Where the official base image is not on this machine, a stand-in with Debian's Python takes its place, and then
# this shows that the steps of the Dockerfile work, not that the official base does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}"
official=python:3.11-slim-bookworm
copied=(Dockerfile .dockerignore constraints.txt pyproject.toml setup.py README.md LICENSE hpcsim jobs params mod)
# Debian's own client needs no plug-in for BuildKit
docker() { if [ -x /usr/bin/docker ]; then /usr/bin/docker "$@"; else command docker "$@"; fi; }
say() { printf -- '-- %s (%s s)\n' "$1" "$SECONDS"; }

key=$(find "${copied[@]}" scripts/build-nest-mpi.sh scripts/debian-install.sh scripts/docker-check.sh -type f ! -name '*.pyc' -print0 | sort -z |
    xargs -0 sha256sum | { cat; echo "${HPCSIM_NEST_MODELS:-}"; } | sha256sum | cut -c -16)
passed="$cache/docker-passed"
if [ "${1:-}" != --force ] && [ "$(cat "$passed" 2>/dev/null)" = "$key" ]; then
    echo "the image of these files has passed already"
    exit
fi

work=$(mktemp -d)
engine=$(cat "$cache/docker/dockerd.pid" 2>/dev/null || true)
DOCKER_HOST=$(scripts/docker-start.sh)
export DOCKER_HOST DOCKER_BUILDKIT=1
finish() {
    # an engine that ran before goes on
    [ "$(cat "$cache/docker/dockerd.pid" 2>/dev/null || true)" = "$engine" ] || scripts/docker-start.sh --stop
    rm -rf "$work"
}
trap finish EXIT

# Debian's Python with the names that the official image gives it, and what this machine trusts
stand_in() {
    local mirror file uploads=()
    command -v mmdebstrap >/dev/null || scripts/debian-install.sh mmdebstrap
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
        [ ! -e "$file" ] || uploads+=(--customize-hook="upload $file $file")
    done
    # shellcheck disable=SC2016
    mmdebstrap --quiet --variant=minbase --include=python3,python3-pip,python3-venv,libpython3.11,ca-certificates \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' "${uploads[@]}" \
        --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"; rm -f "$1/usr/lib/python3.11/EXTERNALLY-MANAGED"' \
        bookworm "$work/base.tar" "$mirror"
    docker import "$work/base.tar" "$1" >/dev/null
    rm "$work/base.tar"
}

base=$official
if ! docker image inspect "$base" >/dev/null 2>&1; then
    base=hpcsim-stand-in:bookworm
    docker image inspect "$base" >/dev/null 2>&1 || { say "a stand-in for $official" && stand_in "$base"; }
fi

say "the wheels"
context="$work/context"
mkdir -p "$context/scripts" "$cache/wheels"
cp -r "${copied[@]}" "$context/"
cp scripts/build-nest-mpi.sh scripts/debian-install.sh "$context/scripts/"
torch=$(grep '^torch==' constraints.txt)
if ! ls "$cache/wheels/torch-${torch#torch==}"*.whl >/dev/null 2>&1; then
    python3 -m pip download -q --no-deps -d "$cache/wheels" "$torch"
fi
mkdir "$context/wheels"
# without GPUs, if this machine's pip found such a one
ln "$cache/wheels/torch-${torch#torch==}+cpu"*.whl "$context/wheels/" 2>/dev/null || true
if grep -qs '^12' /etc/debian_version && [[ $(python3 --version) = "Python 3.11."* ]]; then
    cp "$(scripts/build-nest-mpi.sh)" "$context/wheels/"
fi

say "docker build on $base"
docker build --network host --quiet --build-arg "BASE=$base" -t hpcsim:check "$context" >/dev/null
echo "the image has $(docker image inspect --format '{{.Size}}' hpcsim:check | awk '{ printf "%.2f GB", $1 / 1e9 }')"

run=(docker run --rm --init --network host)
# a user that the image does not know, as on anyone's machine
mkdir -m 777 "$work/mine"
mine=("${run[@]}" --user 4242:4242 --volume "$work/mine:/work")

say "docker run: two MPI ranks that NEST knows of"
world='import nest; from mpi4py import MPI; assert nest.NumProcesses() == MPI.COMM_WORLD.size == 2'
"${mine[@]}" --entrypoint mpiexec hpcsim:check -n 2 python -c "$world" >/dev/null

say "docker run: the quickstart"
"${mine[@]}" hpcsim:check run quickstart
test -s "$work/mine/runs/quickstart/report.html"

say "docker run: a sweep on the image's own Slurm"
cat >"$work/mine/small.toml" <<'END'
[study]
name = "small"
model = "nest.hagen_lif"
[space]
J_ext = [29, 31]
[fixed]
scale = 0.2
tstop = "300 ms"
transient = "100 ms"
[outputs]
keep = ["rate"]
END
"${run[@]}" --volume "$work/mine/small.toml:/work/small.toml:ro" hpcsim:check \
    slurm-demo hpcsim run small.toml --on slurm --dir /tmp/small | tee "$work/said"
grep -q '2 points (2 ok)' "$work/said"

echo "$key" >"$passed"
say "the image has passed"
