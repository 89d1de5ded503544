#!/bin/sh
# Install the package, editable, into a new virtual environment and run the tests.
#   sh tools/test.sh [pytest arguments]
# VENV=dir keeps the environment there; otherwise it goes when the script ends.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${VENV:-}" ]; then
    VENV=$(mktemp -d)
    trap 'rm -rf "$VENV"' EXIT
fi
python3 -m venv "$VENV"
"$VENV/bin/pip" install -q -e ".[test]"
[ $# -gt 0 ] || set -- tests
"$VENV/bin/python" -m pytest -n auto "$@"
