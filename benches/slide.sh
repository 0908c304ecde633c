#!/usr/bin/env bash
# A slide of 4 gigapixels (65,536²): TIFF in tiles of 512² with JPEG inside. The time of `crop` of 2,048² beside libvips
# 8.18, at most 1.5 × is allowed, and the memory of the whole through `sharpen`, which must stay under 512 MiB.
#
#   benches/slide.sh               about 20 GB of disk for the whole
#   WHOLE= benches/slide.sh        only the crop
#
# Needs, from Debian: libvips-tools libjpeg-turbo-progs hyperfine time gcc python3-venv
set -euo pipefail
cd "$(dirname "$0")/.."

source benches/need.sh
need "libvips-tools libjpeg-turbo-progs hyperfine time gcc python3-venv" vips cjpeg hyperfine /usr/bin/time gcc python3
[ -n "${TILEMILL:-}" ] || cargo build --release --locked --quiet
tilemill=${TILEMILL:-$PWD/target/release/tilemill}
work=$(mktemp -d "${TMPDIR:-/tmp}/slide.XXXXXX")
trap 'rm -rf "$work"' EXIT

source benches/newest_vips.sh
newest_vips "$work/vips-now"
source benches/pictures.sh
make_picture 2048 2048 "$work/part.jpg"
python3 benches/slide.py "$work/part.jpg" "$work/slide.tif"

echo "65,536 × 65,536 pixels in tiles of 512², JPEG inside. $(nproc) cores, libvips 8.18.7."
echo
echo "| crop of 2,048² | tilemill s | vips s | tilemill ÷ vips |"
echo "|---|---|---|---|"
failed=
for place in "31000 29000" "0 0" "63488 63488"; do
  read -r x y <<<"$place"
  for format in tif png jpg; do
    theirs=$work/theirs.$format
    # The quality that tilemill has by default.
    [ $format != jpg ] || theirs+="[Q=90]"
    hyperfine --style none --warmup 1 --runs "${RUNS:-9}" --export-json "$work/times.json" \
      "$tilemill run $work/slide.tif -o $work/ours.$format --overwrite --filters crop:$x:$y:2048:2048" \
      "$work/vips-now crop $work/slide.tif $theirs $x $y 2048 2048" >/dev/null 2>&1
    read -r ours theirs < <(python3 -c '
import json, sys
print(*(round(result["median"], 3) for result in json.load(open(sys.argv[1]))["results"]))' "$work/times.json")
    share=$(awk "BEGIN { printf \"%.2f\", $ours / $theirs }")
    echo "| at ($x, $y), to $format | $ours | $theirs | $share |"
    awk "BEGIN { exit !($share > 1.5) }" && failed=yes
  done
done

if [ -n "${WHOLE-yes}" ]; then
  TILEMILL_LIMITS__MAX_MEGAPIXELS=5000 /usr/bin/time -f '%e %M' -o "$work/time" \
    "$tilemill" run "$work/slide.tif" -o "$work/whole.tif" --filters sharpen >/dev/null
  read -r seconds peak <"$work/time"
  echo
  echo "The whole through \`sharpen\`: $seconds s, $((peak / 1024)) MiB at its peak."
  [ "$peak" -lt $((512 * 1024)) ] || failed=yes
fi
[ -z "$failed" ]
