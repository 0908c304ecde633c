#!/usr/bin/env bash
# Filters beside their counterparts in libvips 8.18, on 100 megapixels of RGB from TIFF to TIFF, and how well `denoise` uses
# a second thread. Wall times of whole processes, as Markdown tables.
#
#   benches/filters.sh [IMAGE]       this picture, or a made one
#   RUNS=5 benches/filters.sh        more runs of each command (default 3, after one warm-up)
#
# Needs, from Debian: libvips-tools hyperfine time gcc python3-venv
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${TILEMILL:-}" ] || cargo build --release --locked --quiet
tilemill=${TILEMILL:-$PWD/target/release/tilemill}
runs=${RUNS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

source benches/newest_vips.sh
newest_vips "$work/vips-now"
source benches/pictures.sh
make_picture 11585 8632 "$work/made.jpg"
vips copy "${1:-$work/made.jpg}" "$work/in.tif"

seconds() { # medians of the commands, in seconds
  hyperfine --style none --warmup 1 --runs "$runs" --export-json "$work/times.json" "$@" >/dev/null 2>&1
  grep '"median"' "$work/times.json" | tr -dc '0-9.\n'
}

peak() { # MB of the whole process
  /usr/bin/time -f %M -o "$work/peak" "$@" >/dev/null 2>&1
  awk '{ printf "%.0f", $1 / 1024 }' "$work/peak"
}

echo "Processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores."
echo "tilemill $($tilemill --version | cut -d' ' -f2), libvips 8.18.7. Median of $runs runs."
echo
echo "| filter | vips | tilemill s | vips s | ratio | tilemill MB | vips MB |"
echo "|---|---|---|---|---|---|---|"
compare() { # filter, the operation of vips, its options
  local filter=$1 operation=$2
  shift 2
  local ours=("$tilemill" run "$work/in.tif" -o "$work/t.tif" --overwrite --filters "$filter")
  local vips=("$work/vips-now" "$operation" "$work/in.tif" "$work/v.tif" "$@")
  mapfile -t times < <(seconds "${ours[*]}" "${vips[*]}")
  printf '| `%s` | `%s` | %.2f | %.2f | %.2f | %s | %s |\n' "$filter" "$operation $*" "${times[@]}" \
    "$(awk "BEGIN { print ${times[0]} / ${times[1]} }")" "$(peak "${ours[@]}")" "$(peak "${vips[@]}")"
}
compare invert invert
# As wide a bell as ours, which is cut off at 3 sigma.
compare blur:8 gaussblur 8 --min-ampl 0.0112
compare sharpen sharpen --sigma 1
compare median:3 rank 7 7 24
compare edges sobel

echo
vips crop "$work/in.tif" "$work/part.tif" 0 0 5000 4000
denoise() { echo "$tilemill run $work/part.tif -o $work/t.tif --overwrite --filters denoise --threads $1"; }
mapfile -t times < <(seconds "$(denoise 1)" "$(denoise 2)")
printf '`denoise` on 20 megapixels: %.2f s with one thread, %.2f s with two, efficiency %.3f.\n' "${times[@]}" \
  "$(awk "BEGIN { print ${times[0]} / 2 / ${times[1]} }")"
