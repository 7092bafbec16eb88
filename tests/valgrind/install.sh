#!/usr/bin/env bash
# Installs valgrind from Debian, unless it is there.
set -euo pipefail

if command -v valgrind >/dev/null; then
    exit 0
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends valgrind
