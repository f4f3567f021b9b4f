#!/usr/bin/env bash
# The documentation site into docs/_build/html, from the pages and from the code. A warning is an error; nothing is fetched.
# Arguments are handed to sphinx-build, such as -E (read all pages again).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec python -m sphinx -q -W --keep-going -b html "$@" docs docs/_build/html
