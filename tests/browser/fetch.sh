#!/usr/bin/env bash
# Fetches axe-core, which finds what keeps people from using a page, once, into target/axe. Needs npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(cat tests/browser/axe-version.txt)
folder=${CARGO_TARGET_DIR:-target}/axe
mkdir -p "$folder"
[ ! -f "$folder/axe-$version.js" ] || exit 0
staged=$(mktemp -d -p "$folder")
trap 'rm -rf "$staged"' EXIT

npm pack --silent --pack-destination "$staged" "axe-core@$version" >/dev/null
tar -xzf "$staged"/axe-core-*.tgz -C "$staged" package/axe.min.js
mv -T "$staged/package/axe.min.js" "$folder/axe-$version.js"
