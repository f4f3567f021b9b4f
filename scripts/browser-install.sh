#!/usr/bin/env bash
# What the tests of the dashboard in a real browser need: Debian's Chromium. Each test starts its own, without a window.
set -euo pipefail

if ! command -v chromium >/dev/null; then
    "$(dirname "${BASH_SOURCE[0]}")/debian-install.sh" chromium
fi
