#!/usr/bin/env bash
# Apptainer, for the tests in containers. Prints the folder that holds the command: PATH="$(scripts/apptainer-install.sh):$PATH"
#
# One that is there is used. Else it is Debian's package; where the release has none, that of unstable, in a folder of HPCSIM_CACHE
# (else ~/.cache/hpcsim) with the C library that it was made for. Root alone can install it.
set -euo pipefail

say() { echo "$*" >&2; }
works() { "$1/apptainer" --version >/dev/null 2>&1; }

if found=$(command -v apptainer) && works "$(dirname "$found")"; then
    dirname "$found"
    exit
fi
prefix="${HPCSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcsim}/apptainer"
for program in apt-get dpkg-deb; do
    command -v "$program" >/dev/null || { say "install Apptainer first; this script does so on Debian alone"; exit 1; }
done
[ "$(id -u)" = 0 ] || { say "install Apptainer first, or run this as root"; exit 1; }

# what it calls, and what builds images
tools=(squashfs-tools uidmap fakeroot squashfuse fuse-overlayfs fuse2fs debootstrap patchelf)
missing=()
for package in "${tools[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ] || [ ! -e "$prefix/done" ]; then
    "$(dirname "${BASH_SOURCE[0]}")/debian-install.sh" "${tools[@]}"
fi
# images are built as a pretended root, which wants a range of subordinate ids, also for the real one
for file in /etc/subuid /etc/subgid; do
    grep -q '^root:' "$file" 2>/dev/null || echo root:1000000:65536 >>"$file"
done

# from a release that has it
candidate=$(apt-cache policy apptainer | awk '/Candidate:/ { print $2 }')
if [ ! -e "$prefix/done" ] && [ -n "$candidate" ] && [ "$candidate" != "(none)" ]; then
    apt-get install -y -qq --no-install-recommends apptainer >/dev/null
    dirname "$(command -v apptainer)"
    exit
fi

# from unstable, beside the system: its two programs want a newer C library, their children do not
install() {
    local work mirror library loader program
    work=$(mktemp -d)
    trap 'rm -rf "$work"' RETURN
    rm -rf "$prefix"
    mkdir -p "$work"/{lists/partial,cache/archives/partial,debs} "$prefix/glibc"
    # the mirror that apt uses already
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$')
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
    local apt=(
        apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::Cache::pkgcache="" -o Dir::Cache::srcpkgcache=""
        -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root -o Acquire::Languages=none
    )
    "${apt[@]}" update
    (cd "$work/debs" && "${apt[@]}" download apptainer/sid libc6/sid libseccomp2/sid libsqlite3-0/sid)
    dpkg-deb -x "$work"/debs/apptainer_*.deb "$prefix"
    for package in libc6 libseccomp2 libsqlite3-0; do
        dpkg-deb -x "$work/debs/${package}"_*.deb "$prefix/glibc"
    done
    library=$(dirname "$(find "$prefix/glibc" -name libc.so.6 -print -quit)")
    loader=$(find "$prefix/glibc" -name 'ld-linux-*.so.*' -print -quit)
    # it derives where its settings are from where it is itself, and its starter from one folder deeper
    ln -sfn ../etc "$prefix/usr/etc"
    ln -sfn ../var "$prefix/usr/var"
    ln -sfn ../../etc "$prefix/usr/lib/etc"
    ln -sfn ../../var "$prefix/usr/lib/var"
    ln -sfn . "$prefix/usr/lib/lib"
    ln -sfn ../bin "$prefix/usr/lib/bin"
    # root asks for every capability otherwise, and a root that lacks one gets none
    sed -i 's/^root default capabilities = full/root default capabilities = no/' "$prefix/etc/apptainer/apptainer.conf"
    for program in "$prefix/usr/bin/apptainer" "$(find "$prefix/usr/lib" -path '*/apptainer/bin/starter' -print -quit)"; do
        patchelf --force-rpath --set-interpreter "$(readlink -f "$loader")" --set-rpath "$library" "$program"
    done
    works "$prefix/usr/bin"
    touch "$prefix/done"
}
mkdir -p "$(dirname "$prefix")"
exec 9>"$prefix.lock"
flock 9
if [ ! -e "$prefix/done" ] || ! works "$prefix/usr/bin"; then
    install
fi
echo "$prefix/usr/bin"
