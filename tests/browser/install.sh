#!/usr/bin/env bash
# Installs a Chromium without windows from Debian, unless it is there. Playwright's own comes from a
# server that not every network reaches.
set -euo pipefail

if command -v chromium-headless-shell >/dev/null; then
    exit 0
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium-headless-shell
