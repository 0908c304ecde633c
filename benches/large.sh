#!/usr/bin/env bash
# A gigapixel (32,768²) from TIFF and PNG to TIFF, by `run` and by a server: seconds, and the peak memory of the
# process, which must stay under 512 MiB.
#
#   benches/large.sh           about 12 GB of disk, and some minutes
#   FILTERS=blur:8 SIDE=8192 benches/large.sh
#
# Needs, from Debian: libvips-tools time curl
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --quiet
tilemill=${TILEMILL:-$PWD/target/release/tilemill}
filters=${FILTERS:-sharpen}
side=${SIDE:-32768}
limit=$((512 * 1024))
work=$(mktemp -d "${TMPDIR:-/tmp}/large.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT

source benches/pictures.sh
make_picture $((side / 4)) $((side / 4)) "$work/part.jpg"
vips replicate "$work/part.jpg" "$work/in.tif[bigtiff]" 4 4
vips copy "$work/in.tif" "$work/in.png[compression=1,filter=up]"
rm "$work/part.jpg"

failed=
row() { # from, by, seconds, peak in KiB
  echo "| $1 | $2 | $3 | $(($4 / 1024)) |"
  [ "$4" -lt "$limit" ] || failed=yes
}

echo "$side × $side pixels of RGB, \`$filters\`, to TIFF. $(nproc) cores."
echo
echo "| from | by | s | peak MiB |"
echo "|---|---|---|---|"
for format in tif png; do
  /usr/bin/time -f '%e %M' -o "$work/time" \
    "$tilemill" run "$work/in.$format" -o "$work/out.tif" --filters "$filters" >/dev/null 2>&1
  read -r seconds peak <"$work/time"
  row "$format" run "$seconds" "$peak"
  mv "$work/out.tif" "$work/run-$format.tif"
done

cd "$work"
TILEMILL_LIMITS__MAX_UPLOAD="16 GiB" "$tilemill" serve --listen 127.0.0.1:0 2>log &
server=$!
until address=$(sed -n 's/.*listening on //p' log) && [ -n "$address" ]; do sleep 0.1; done
for format in tif png; do
  start=$(date +%s.%N)
  "$tilemill" submit "in.$format" -o out.tif --filters "$filters" --server "$address" --overwrite >/dev/null 2>&1
  seconds=$(awk "BEGIN { printf \"%.1f\", $(date +%s.%N) - $start }")
  row "$format" "a server" "$seconds" "$(awk '/VmHWM/ { print $2 }' /proc/$server/status)"
  cmp out.tif "run-$format.tif"
done
[ -z "$failed" ] || { echo "more than 512 MiB" >&2; exit 1; }
