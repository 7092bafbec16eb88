#!/usr/bin/env bash
# Installs what the ARM64 tests need from Debian, unless it is there: a cross compiler and an
# emulator.
set -euo pipefail

if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null; then
    exit 0
fi
apt-get update
# The C++ compiler, because it brings the libraries that libonnxruntime needs.
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    g++-aarch64-linux-gnu qemu-user
