#!/usr/bin/env bash
# Installs clang with its sanitizers from Debian, unless it is there.
set -euo pipefail

if echo 'int main(void) { return 0; }' | clang -fsanitize=address -xc - -o /dev/null 2>/dev/null; then
    exit 0
fi
apt-get update
export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --no-install-recommends clang
apt-get install --yes --no-install-recommends "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
