#!/usr/bin/env bash
# What the tests of the dashboard in a real browser need: Debian's Chromium. Each test starts its own, without a window.
set -euo pipefail

if ! command -v chromium >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
