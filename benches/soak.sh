#!/usr/bin/env bash
# Many jobs of mixed sizes on one server: hashes, resident memory, file descriptors, disk.
#
#   benches/soak.sh            500 jobs
#   JOBS=2000 benches/soak.sh  more
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/server.sh

jobs=${JOBS:-500} at_once=4
make_picture 6000 4000 "$work/a.jpg"
make_picture 3000 2000 "$work/b.png"
make_picture 1200 834 "$work/c.tif"
make_picture 640 480 "$work/d.jpg"
make_picture 97 31 "$work/e.png"
# image, chain, format; the first is rare
kinds=(
  "a.jpg blur:3,grayscale jpeg" "b.png blur:5 png" "b.png grayscale tiff" "c.tif invert webp"
  "c.tif grayscale jpeg" "d.jpg blur:20 png" "d.jpg grayscale jpeg" "e.png blur:1 png" "e.png invert tiff"
)
for index in "${!kinds[@]}"; do
  read -r image chain format <<<"${kinds[$index]}"
  "$tilemill" run "$work/$image" -o "$work/expected-$index" --filters "$chain" --format "$format" >/dev/null
  sha256sum <"$work/expected-$index" >"$work/hash-$index"
done

# One job from upload to hash. Every second job is deleted, the others are left to the retention.
one() {
  local number=$1 index image chain format job
  index=$((number % 29 == 0 ? 0 : 1 + number % (${#kinds[@]} - 1)))
  read -r image chain format <<<"${kinds[$index]}"
  job=$(submit "$work/$image" "filters=$chain" "format=$format" "tile_size=$((64 + number % 5 * 150))")
  completes "$job"
  curl -sS --fail "$url/api/jobs/$job/result" | sha256sum | cmp -s - "$work/hash-$index" ||
    { echo "job $job, $chain of $image, has other bytes" >&2; return 1; }
  [ $((number % 2)) = 0 ] || curl -sS --fail -X DELETE "$url/api/jobs/$job"
}

measure() {
  local memory files
  memory=$(awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status")
  files=$(ls "/proc/$server/fd" | wc -l)
  echo "| $1 | $memory | $files | $(du -sm "$work/data" 2>/dev/null | cut -f1) |"
}

export TILEMILL_RETENTION__ORIGINALS=15s TILEMILL_RETENTION__RESULTS=15s TILEMILL_RETENTION__RECORDS=15s
start_server
started=$(now)
machine
echo "tilemill $($tilemill --version | cut -d' ' -f2), $(date '+%B %Y'). $jobs jobs, $at_once at a time."
echo
echo "| jobs | resident MB | open files | disk MB |"
echo "|---|---|---|---|"
measure 0
for first in $(seq 1 50 "$jobs"); do
  running=()
  for lane in $(seq "$at_once"); do
    (for number in $(seq $((first + lane - 1)) "$at_once" $((first + 49))); do one "$number"; done) &
    running+=($!)
  done
  for process in "${running[@]}"; do wait "$process"; done
  measure $((first + 49))
done
took=$(awk "BEGIN { print int($(now) - $started) }")
until [ "$(find "$work/data" -type f ! -name lock ! -name storage-id | wc -l)" = 0 ]; do sleep 1; done
sleep 5
measure "all gone"
echo
echo "All hashes right, in $took s. Warnings in the log: $(grep -c -E 'WARN|ERROR' "$work/log" || true)."
