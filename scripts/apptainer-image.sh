#!/usr/bin/env bash
# hpcsim in an Apptainer image; prints its path.
#
#     scripts/apptainer-image.sh hpcsim.sif                       everything
#     scripts/apptainer-image.sh ci.sif nest,mpi                  with these extras of pyproject.toml alone
#
# Wheels in the folder wheels/ are installed before all others: the CPU build of torch, a NEST with MPI. NEST with MPI is taken from the
# cache of scripts/build-nest-mpi.sh where it fits Debian 12, or built in the image. The base, which holds all but hpcsim itself,
# is kept in HPCSIM_CACHE (else ~/.cache/hpcsim) under what made it. HPCSIM_SQUASH are options of mksquashfs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
image=$(cd "$OLDPWD" && realpath -m "${1:?where shall the image be?}")
extras=${2:-nest,neuron,brian2,inference,sbi,nwb,slurm,mpi}
cache=${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}/images
PATH="$(scripts/apptainer-install.sh):$PATH"
mkdir -p "$cache"
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

build() {
    # files of other owners could not be unpacked again without root
    local options=(--fakeroot --force --build-arg-file "$work/arguments" --mksquashfs-args "-all-root ${HPCSIM_SQUASH:-}")
    local trusted=/etc/ssl/certs/ca-certificates.crt
    # pip shall trust what this machine trusts
    [ ! -e "$trusted" ] || options+=(--bind "$trusted")
    # in a file, since the option splits values at commas
    printf '%s\n' "${@:3}" >"$work/arguments"
    # whole or not at all
    apptainer build "${options[@]}" "$work/image.sif" "$1" >&2
    mv "$work/image.sif" "$2"
}

mkdir "$work/wheels"
find wheels -name '*.whl' -exec ln {} "$work/wheels/" \; 2>/dev/null || true
# a wheel that this machine has built fits where Python and Debian are those of the image
if [[ ,$extras, = *,nest,* && -z $(find "$work/wheels" -name 'nest_simulator-*') ]] && grep -qs '^12' /etc/debian_version &&
    [[ $(python3 --version) = "Python 3.11."* ]]; then
    cp "$(scripts/build-nest-mpi.sh)" "$work/wheels/"
fi

digest() { sha256sum | cut -c -16; }
needs='import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(p["dependencies"], p["optional-dependencies"])'
contents() {
    cat jobs/base.def constraints.txt
    python3 -c "$needs"
    echo "$extras"
    (cd "$work/wheels" && find . -type f -exec sha256sum {} + | sort)
}
family=base-${extras//,/+}
base=$cache/$family-$(contents | digest).sif
if [ ! -e "$base" ]; then
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
    build jobs/base.def "$base" "mirror=$mirror" "wheels=$work/wheels" "extras=$extras"
    find "$cache" -name "$family-*.sif" ! -path "$base" -delete
fi

made=$(find hpcsim jobs params mod setup.py pyproject.toml -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum |
    cat - <(echo "$base") | digest)
if [ ! -e "$image" ] || [ "$(cat "$image.made" 2>/dev/null)" != "$made" ]; then
    build jobs/hpcsim.def "$image" "base=$base"
    echo "$made" >"$image.made"
fi
echo "$image"
