#!/usr/bin/env bash
# Wall time of this build beside another one, such as that of the previous commit, as a Markdown table.
#
#   benches/before.sh OTHER             OTHER is a `tilemill` that was built elsewhere; pictures of 24 and 100 megapixels
#   RUNS=41 benches/before.sh OTHER     more runs (default 7): a difference of a few hundredths shows after some 40
#
# Needs, from Debian: libvips-tools
set -euo pipefail
other=$(realpath "${1:?benches/before.sh OTHER, a tilemill that was built elsewhere}")
cd "$(dirname "$0")/.."
command -v vips >/dev/null || { echo "vips is missing: apt-get install libvips-tools" >&2; exit 2; }
[ -n "${TILEMILL:-}" ] || cargo build --release --locked --quiet
ours=$(realpath "${TILEMILL:-target/release/tilemill}")
runs=${RUNS:-7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

source benches/pictures.sh

seconds() { # wall time of a command
  local from=$EPOCHREALTIME to
  "$@" >/dev/null 2>&1
  to=$EPOCHREALTIME
  awk "BEGIN { printf \"%.4f\", $to - $from }"
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

echo "$(nproc) cores, median of $runs runs of each build in turn; they take turns at going first."
echo
echo "| picture | chain | to | before s | now s | now ÷ before |"
echo "|---|---|---|---|---|---|"
for sides in "6000 4000" "11585 8632"; do
  make_picture ${sides} "$work/in.jpg"
  for format in png tif; do vips copy "$work/in.jpg" "$work/in.$format"; done
  for kind in "jpg grayscale" "jpg invert" "png grayscale" "tif grayscale" "tif invert"; do
    read -r format chain <<<"$kind"
    for build in "$other" "$ours"; do seconds "$build" run "$work/in.$format" -o "$work/out.$format" --filters "$chain" --overwrite >/dev/null; done
    : >"$work/before" >"$work/now"
    for ((run = 0; run < runs; run++)); do
      # The first of two runs leaves work behind, such as dirty pages: the builds take turns at being first.
      order="before now"
      [ $((run % 2)) = 0 ] || order="now before"
      for build in $order; do
        program=$ours
        [ $build = now ] || program=$other
        seconds "$program" run "$work/in.$format" -o "$work/out.$format" --filters "$chain" --overwrite >>"$work/$build"
        echo >>"$work/$build"
      done
    done
    before=$(median "$work/before") now=$(median "$work/now")
    echo "| ${sides/ / × } $format | \`$chain\` | $format | $before | $now | $(awk "BEGIN { printf \"%.2f\", $now / $before }") |"
  done
done
