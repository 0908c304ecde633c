#!/usr/bin/env bash
# Wall time and peak memory of `tilemill run` beside libvips 8.18 and GraphicsMagick, as a Markdown table.
#
#   benches/compare.sh [IMAGE…]      these pictures, or made ones of 24, 100 and 400 megapixels
#   RUNS=10 benches/compare.sh       more runs of each command (default 5, after one warm-up)
#
# Needs, from Debian: libvips-tools graphicsmagick hyperfine time gcc python3-venv
set -euo pipefail
cd "$(dirname "$0")/.."

source benches/need.sh
need "libvips-tools graphicsmagick hyperfine time" vips gm hyperfine /usr/bin/time
[ -n "${TILEMILL:-}" ] || cargo build --release --locked --quiet
tilemill=$(realpath "${TILEMILL:-target/release/tilemill}")
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

source benches/newest_vips.sh
newest_vips "$work/vips-now"
source benches/pictures.sh

pictures=("$@")
if [ ${#pictures[@]} = 0 ]; then
  make_picture 6000 4000 "$work/made-24mp.jpg"
  make_picture 11585 8632 "$work/made-100mp.jpg"
  make_picture 23170 17264 "$work/made-400mp.jpg"
  pictures=("$work/made-24mp.jpg" "$work/made-100mp.jpg" "$work/made-400mp.jpg")
fi

peak() { # MB of the whole process
  /usr/bin/time -f %M -o "$work/peak" "$@" >/dev/null 2>&1
  awk '{ printf "%.0f", $1 / 1024 }' "$work/peak"
}

median() { # hyperfine's median of one command, in seconds, from its JSON
  grep -m"$1" '"median"' "$work/times.json" | tail -n 1 | tr -dc '0-9.' | awk '{ printf "%.2f", $1 }'
}

processor() { # seconds of processor time of one command, the mean of its runs, from hyperfine's JSON
  python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["results"][int(sys.argv[2])]
print("%.2f" % (result["user"] + result["system"]))' "$work/times.json" "$1"
}

size() { stat -c %s "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }

echo "Processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores."
echo "tilemill $($tilemill --version | cut -d' ' -f2), libvips 8.18.7," \
  "$(gm version | head -n 1 | cut -d' ' -f1,2). Median of $runs runs."
echo
echo "| picture | to | tilemill s | vips s | gm s | tilemill ÷ vips | tilemill, vips processor s | tilemill MB | vips MB | gm MB | file tilemill / vips MB |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for picture in "${pictures[@]}"; do
  for format in jpg png tif; do
    in=$picture
    # PNG and TIFF are read from the format that is written.
    if [ $format != jpg ]; then
      in=$work/in.$format
      vips copy "$picture" "$in"
    fi
    case $format in jpg) out="$work/v.jpg[Q=90]" ;; *) out=$work/v.$format ;; esac
    ours=("$tilemill" run "$in" -o "$work/t.$format" --overwrite --quality 90)
    vips=("$work/vips-now" colourspace "${in}[access=sequential]" "$out" b-w)
    gm=(gm convert "$in" -colorspace Gray -quality 90 "$work/g.$format")
    [ $format = png ] && gm=(gm convert "$in" -colorspace Gray "$work/g.$format")
    hyperfine --style none --warmup 1 --runs "$runs" --export-json "$work/times.json" \
      "$(printf "%q " "${ours[@]}")" "$(printf "%q " "${vips[@]}")" "$(printf "%q " "${gm[@]}")" >/dev/null 2>"$work/hyperfine.log" ||
      { cat "$work/hyperfine.log" >&2; exit 1; }
    t=$(median 1) v=$(median 2) g=$(median 3)
    row="| $(basename "$picture") | $format | $t | $v | $g | $(awk "BEGIN { printf \"%.2f\", $t / $v }")"
    row+=" | $(processor 0), $(processor 1)"
    row+=" | $(peak "${ours[@]}") | $(peak "${vips[@]}") | $(peak "${gm[@]}")"
    echo "$row | $(size "$work/t.$format") / $(size "$work/v.$format") |"
  done
done

# Many small pictures in one process: the cost of each file, apart from its pixels.
[ $# = 0 ] || exit 0
mkdir "$work/small" "$work/gm"
for index in $(seq 300); do
  vips crop "$work/made-24mp.jpg" "$work/small/$index.jpg[Q=90]" $((index * 17)) $((index * 11)) 640 480
done
hyperfine --style none --warmup 1 --runs "$runs" --export-json "$work/times.json" \
  "$(printf "%q " "$tilemill" run) $work/small/*.jpg -o $work/out/ --overwrite" \
  --prepare "cp $work/small/*.jpg $work/gm/" "gm mogrify -colorspace Gray -quality 90 $work/gm/*.jpg" \
  >/dev/null 2>"$work/hyperfine.log" || { cat "$work/hyperfine.log" >&2; exit 1; }
echo
echo "300 pictures of 640 × 480 in one process: tilemill $(median 1) s, gm mogrify $(median 2) s."
