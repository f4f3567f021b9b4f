#!/usr/bin/env bash
# Makes constraints.txt again: one version of each package for every Python that pyproject.toml names, for all extras at once.
#
#     scripts/constraints.sh                             what is new in pyproject.toml is added; pins that still fit stay
#     scripts/constraints.sh --upgrade-package numpy     the newest numpy that fits; --upgrade: the newest of everything
#
# Arguments are handed to `uv pip compile`; uv comes from PyPI into a folder of its own. A package that needs several versions has a
# line for each, with a marker that pip reads (`; python_full_version < '3.12'`). Last, each Python is resolved alone with these pins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pins=constraints.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q uv
resolve() { "$work/venv/bin/uv" pip compile -q --all-extras --no-header --no-annotate "$@" pyproject.toml >/dev/null; }
mapfile -t versions < <(grep -o 'Python :: 3\.[0-9]*' pyproject.toml | cut -d ' ' -f 3)

# uv prefers what it finds in the file that it writes
cp "$pins" "$work/all"
resolve --universal --python-version "${versions[0]}" -o "$work/all" "$@"
# torch names its libraries for GPUs exactly, and its CPU build has none
sed -E "/^(nvidia-|cuda-|triton=)/d; /sys_platform == 'win32'/d" "$work/all" >"$work/kept"
{
    echo "# Versions that were seen to install and to work together; made by scripts/constraints.sh."
    # a constraint installs nothing: a package with one version needs no marker
    awk -F ' ; ' '{ split($1, name, "==") } NR == FNR { count[name[1]]++; next } { print (count[name[1]] > 1 ? $0 : $1) }' "$work/kept" "$work/kept"
} >"$work/$pins"
mv "$work/$pins" "$pins"

for version in "${versions[@]}"; do
    resolve -c "$pins" --python-version "$version" -o "$work/$version"
    echo "Python $version: $(grep -c == "$work/$version") packages"
done
