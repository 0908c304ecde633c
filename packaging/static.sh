#!/usr/bin/env bash
# Builds a static program for Linux on x86-64, with musl in place of glibc, and prints its path. It runs on any
# distribution, and in a container that holds nothing else.
#
# Needs rustup, and Debian's musl-tools for the C of ring.
set -euo pipefail
cd "$(dirname "$0")/.."

platform=x86_64-unknown-linux-musl
rustup target add "$platform"
CC_x86_64_unknown_linux_musl=musl-gcc cargo build --release --locked --target "$platform" >&2
program=${CARGO_TARGET_DIR:-target}/$platform/release/tilemill
# A dynamic program names the loader that finds its libraries.
if readelf --program-headers --wide "$program" | grep -q INTERP; then
  echo "$program is not static" >&2
  exit 1
fi
printf '%s\n' "$program"
