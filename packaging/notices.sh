#!/usr/bin/env bash
# Prints the licences of the crates in the program, as those licences require.
set -euo pipefail
cd "$(dirname "$0")/.."

manifests=$(cargo metadata --locked --format-version 1 | grep -o '"manifest_path":"[^"]*"' | cut -d'"' -f4)
cargo tree --locked --edges normal --prefix none --format '{p}|{l}' | sed 's/ ([^|]*)//' | grep -Ev '^tilemill(-raster)? ' | sort -u |
  while IFS='| ' read -r name version licence; do
    printf '======== %s %s: %s\n\n' "$name" "${version#v}" "$licence"
    folder=$(grep "/$name-${version#v}/Cargo.toml$" <<<"$manifests" || true)
    [ -n "$folder" ] || continue
    find "${folder%/Cargo.toml}" -maxdepth 1 -type f \
      \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'unlicense*' \) -print0 |
      sort --zero-terminated | xargs --null --no-run-if-empty cat
  done
