#!/usr/bin/env bash
# The static program beside the one that is linked to glibc: whether it runs in an empty root, whether its results have
# the same bytes, and how long both take, as a Markdown table.
#
#   benches/static.sh          builds both
#   RUNS=10 benches/static.sh  more runs of each command (default 5, after one warm-up)
#
# Needs root, and from Debian: libvips-tools hyperfine musl-tools
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/need.sh
need "libvips-tools hyperfine musl-tools" vips hyperfine musl-gcc

static=$(realpath "$(bash packaging/static.sh)")
cargo build --release --locked --quiet
linked=$(realpath "${CARGO_TARGET_DIR:-target}/release/tilemill")
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

source benches/pictures.sh

run() { # PROGRAM IN OUT FILTERS; if it makes no OUT, what it says goes there
  "$1" run "$2" -o "$3" --filters "$4" --overwrite >/dev/null 2>"$3.said" || sed "s|$3||g" "$3.said" >"$3"
}

mkdir -p "$work/empty/tmp"
cp "$static" "$work/empty/tilemill"
cp tests/data/baseline-420.jpg "$work/empty/tmp/in.jpg"
chroot "$work/empty" /tilemill run /tmp/in.jpg -o /tmp/out.jpg --filters blur:3
run "$linked" tests/data/baseline-420.jpg "$work/out.jpg" blur:3
cmp "$work/empty/tmp/out.jpg" "$work/out.jpg"

count=0
for file in tests/data/*.*; do
  for chain in grayscale blur:2.5,sharpen equalize,median:2; do
    run "$linked" "$file" "$work/linked.tif" $chain
    run "$static" "$file" "$work/static.tif" $chain
    cmp "$work/linked.tif" "$work/static.tif" || { echo "$file $chain differs" >&2; exit 1; }
    count=$((count + 1))
  done
done
echo "$count results have the same bytes."
echo
make_picture 6000 4000 "$work/in.jpg"
echo "| 24 megapixels, JPEG to | filters | glibc s | musl s | musl ÷ glibc |"
echo "|---|---|---|---|---|"
for format in jpg png tif; do
  for chain in grayscale blur:8 median:3; do
    commands=()
    for program in "$linked" "$static"; do
      commands+=("$program run $work/in.jpg -o $work/out.$format --filters $chain --overwrite")
    done
    hyperfine --style none --warmup 1 --runs "$runs" --export-csv "$work/times.csv" "${commands[@]}" >/dev/null 2>&1
    awk -F, -v row="| $format | \`$chain\` |" 'NR > 1 { t[NR] = $4 } END { printf "%s %.2f | %.2f | %.2f |\n", row, t[2], t[3], t[3] / t[2] }' \
      "$work/times.csv"
  done
done
