#!/usr/bin/env bash
# Unpacks the headers of ONNX Runtime for C++ into a folder, from Debian 13, which is the first to have
# them. Leaves the system alone: apt gets lists and settings of its own.
#
#     onnxruntime_headers.sh FOLDER
set -euo pipefail
root=$(realpath -m "$1")
mkdir -p "$root"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
touch "$apt/status"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
options=(
    -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=-
    -o APT::Sandbox::User=root
)
apt-get "${options[@]}" --quiet update
(cd "$apt" && apt-get "${options[@]}" --quiet download libonnxruntime-dev)
dpkg-deb --extract "$apt"/libonnxruntime-dev_*.deb "$root"
