#!/bin/sh
# Prints the first Python on PATH that Strongroom can use, or says what is missing.
set -eu

# A pyenv shim is on PATH and may still refuse to run, so each candidate is tried and not merely looked up.
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if ! "$candidate" -c 'import ensurepip, ssl, venv' 2>/dev/null; then
            echo "$candidate cannot make virtual environments with TLS in them. On Debian and Ubuntu: apt-get install python3-venv" >&2
            exit 1
        fi
        echo "$candidate"
        exit 0
    fi
done
echo "Strongroom needs Python 3.11 or newer, and none was found on PATH." >&2
echo "Install one, or name it: make setup PYTHON=/path/to/python3" >&2
exit 1
