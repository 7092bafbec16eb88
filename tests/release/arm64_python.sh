#!/usr/bin/env bash
# Unpacks Debian's Python for ARM64, with what it needs, into a folder, for an emulator to run. Leaves
# the system alone: apt gets lists and settings of its own.
#
#     arm64_python.sh FOLDER
set -euo pipefail
root=$(realpath -m "$1")
mkdir -p "$root"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
touch "$apt/status"
options=(
    -o APT::Architecture=arm64 -o APT::Architectures=arm64
    -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root
)
apt-get "${options[@]}" --quiet update
apt-get "${options[@]}" --quiet --yes --no-install-recommends --download-only install \
    python3 libstdc++6
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
done
