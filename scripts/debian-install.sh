#!/usr/bin/env bash
# Install Debian packages without what they only recommend, one caller at a time: apt-get gives up where another holds its lock.
#
#     scripts/debian-install.sh PACKAGE...
set -euo pipefail

exec 9</var/lib/apt/lists
flock 9
apt-get update -qq
apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "$@" >/dev/null
