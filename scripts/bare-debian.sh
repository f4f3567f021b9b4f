#!/usr/bin/env bash
# A command in a bare Debian that holds nothing but the packages that the README names, as an ordinary user with empty caches.
#
#     scripts/bare-debian.sh COMMAND            in a clone of what is committed here, as `bash -euo pipefail -c COMMAND`
#
# Root alone can do it. Debian comes from the mirror that apt uses here, Python's packages from where pip finds them here. The bare
# system is kept in HPCSIM_CACHE (else ~/.cache/hpcsim) under the list of its packages. Mounts are made in a namespace of their own,
# and processes run in one: whatever happens, both end with the command, and this machine's /dev is never touched. The variables
# CI and PYTEST_ADDOPTS are handed on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command=${1:?which command?}
suite=bookworm
home=/home/user
cache=${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}/debian
trusted=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$cache"

# what the README says to install
mapfile -t packages < <(grep -o 'apt-get install [a-z0-9+. -]*' README.md | head -1 | cut -d ' ' -f 3- | tr ' ' '\n')
[ "${#packages[@]}" -gt 0 ] || { echo "README.md names no packages: expected \`apt-get install ...\`" >&2; exit 1; }
base=$cache/$suite-$(printf '%s\n' "${packages[@]}" | sort | sha256sum | cut -c -16).tar

if [ ! -e "$base" ]; then
    if ! command -v mmdebstrap >/dev/null; then
        scripts/debian-install.sh mmdebstrap
    fi
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
    # device nodes are this machine's, see below
    mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
        --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        "$suite" "$base.part.tar" "$mirror"
    tar --delete -f "$base.part.tar" --wildcards './dev/*'
    # whole or not at all
    mv "$base.part.tar" "$base"
    find "$cache" -name "$suite-*.tar" ! -path "$base" -delete
fi

work=$(mktemp -d -p "$cache")
inside=
finish() {
    [ -z "$inside" ] || kill -KILL "$inside" 2>/dev/null || true
    # what ran inside may take a moment to end
    rm -rf --one-file-system "$work" 2>/dev/null || { sleep 2; rm -rf --one-file-system "$work"; }
}
trap finish EXIT
trap 'exit 143' TERM INT HUP
root=$work/root
mkdir "$root"
tar -x -f "$base" -C "$root" --numeric-owner
useradd --root "$root" --create-home --shell /bin/bash user
git clone -q . "$root$home/hpcsim"
chown -R --reference="$root$home" "$root$home"
cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"

# pip finds and trusts what it does here, without what it has cached
lent=()
keep() { [ ! -e "$1" ] || lent+=("$1"); }
keep "$trusted"
for file in /etc/pip.conf /etc/xdg/pip; do keep "$file"; done
settings=$(python3 -m pip config list 2>/dev/null || true)
while read -r place; do
    # an index of simple/ has its files beside it
    keep "${place%/simple}"
done < <(grep -oE "(file://|')/[^ ']*" <<<"$settings" | sed "s/^'//; s,^file://,," | sort -u)
variables=()
for name in CI PYTEST_ADDOPTS SSL_CERT_FILE "${!PIP_@}"; do
    [ -z "${!name:-}" ] || variables+=("$name=${!name}")
done

# shellcheck disable=SC2016
script='
set -euo pipefail
root=$1 command=$2 home=$3; shift 3
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
while [ "$1" != -- ]; do
    mkdir -p "$root$(dirname "$1")"
    if [ -d "$1" ]; then mkdir -p "$root$1"; else [ -e "$root$1" ] || touch "$root$1"; fi
    mount --bind -o ro "$1" "$root$1"
    shift
done
shift
cd "$root"
mkdir old
pivot_root . old
umount -l /old
rmdir /old
cd "$home/hpcsim"
setpriv --reuid user --regid user --init-groups --bounding-set -all env -i HOME="$home" USER=user LOGNAME=user \
    PATH=/usr/local/bin:/usr/bin:/bin "$@" bash -euo pipefail -c "$command"
# this shell stays: with it, all processes of the namespace end
exit 0
'
unshare --mount --pid --fork --kill-child bash -c "$script" bare "$root" "$command" "$home" "${lent[@]}" -- "${variables[@]}" &
inside=$!
wait "$inside"
