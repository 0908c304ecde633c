#!/usr/bin/env bash
# Fetches Prometheus and promtool for the tests, once, into target/prometheus: the programs of the package that Debian
# or Ubuntu has. The package is unpacked and not installed: its scripts would start a server on all addresses, where
# systemd does not run, too.
set -euo pipefail
cd "$(dirname "$0")/../../.."

folder=${CARGO_TARGET_DIR:-target}/prometheus
mkdir -p "$folder"
[ ! -x "$folder/promtool" ] || exit 0
folder=$(realpath "$folder")
staged=$(mktemp -d -p "$folder")
trap 'rm -rf "$staged"' EXIT

# Root's downloads are made by a user of their own, who has to be let in.
chmod 755 "$staged"
mkdir -m 777 "$staged/package"
(cd "$staged/package" && apt-get download -qq prometheus)
dpkg-deb --extract "$staged"/package/prometheus_*.deb "$staged/files"
mv "$staged/files/usr/bin/prometheus" "$folder/prometheus"
# Last: the fetch is whole when this one is there.
mv "$staged/files/usr/bin/promtool" "$folder/promtool"
