#!/usr/bin/env bash
# The costs of a cluster and of a mill in one process, both on this machine: the time from the start of an upload to the
# final image, the processor time of each process, and the bytes that go through Kafka.
#
#   benches/cluster.sh
#   MILL=embedded benches/cluster.sh    `tilemill serve` alone, to compare with
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-5}
MILL=${MILL:-cluster}
source benches/server.sh

# Seconds from the start of an upload to the final image.
mills() { # IMAGE FIELD…
  local t job
  t=$(now)
  job=$(submit "$@")
  completes "$job"
  awk "BEGIN { printf \"%.2f\\n\", $(now) - $t }"
}

median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

# User and system time of a process and its threads so far, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# Bytes of tasks and results that the broker has received.
carried() { du -cb "$work"/kafka/{tasks,results}-* | tail -n 1 | cut -f1; }

make_picture 12000 8334 "$work/large.jpg"
make_picture 6000 4000 "$work/middle.jpg"
start_server
for _ in 1 2; do mills "$work/large.jpg" >/dev/null; done

machine
echo "tilemill $($tilemill --version | cut -d' ' -f2), $(date '+%B %Y'). Median of $runs runs."
if [ "$MILL" != cluster ]; then
  before=$(ticks "$server")
  times=$(for _ in $(seq "$runs"); do mills "$work/large.jpg"; done)
  spent=$(awk "BEGIN { printf \"%.2f\", ($(ticks "$server") - $before) / 100 / $runs }")
  echo "In one process: $(median <<<"$times") s, and $spent s of processor time a job"
  exit
fi

names=(serve redis collect monitor $(seq -f worker-%g "${WORKERS:-2}") kafka)
processes=("$server" "${others[@]}" "$kafka")
before=$(carried)
for index in "${!names[@]}"; do start[index]=$(ticks "${processes[index]}"); done
times=$(for _ in $(seq "$runs"); do mills "$work/large.jpg"; done)
echo "100 megapixels, JPEG to JPEG, grayscale, ${WORKERS:-2} workers: $(median <<<"$times") s (all: $(xargs <<<"$times"))"
echo
echo "| process | processor seconds a job |"
echo "|---|---|"
for index in "${!names[@]}"; do
  spent=$(($(ticks "${processes[index]}") - start[index]))
  echo "| ${names[index]} | $(awk "BEGIN { printf \"%.2f\", $spent / 100 / $runs }") |"
done
echo
echo "Through Kafka: $(awk "BEGIN { printf \"%.2f\", ($(carried) - $before) / 1e6 / 100 / $runs }") MB for each megapixel."
echo
echo "| tile | 24 megapixels, blur:2, s | tiles a second | MB through Kafka for each megapixel |"
echo "|---|---|---|---|"
for size in 64 128 256 512 1024 2048; do
  before=$(carried)
  time=$(for _ in $(seq "$runs"); do mills "$work/middle.jpg" filters=blur:2 "tile_size=$size"; done | median)
  tiles=$((((6000 + size - 1) / size) * ((4000 + size - 1) / size)))
  mega=$(awk "BEGIN { printf \"%.2f\", ($(carried) - $before) / 1e6 / 24 / $runs }")
  echo "| $size | $time | $(awk "BEGIN { printf \"%.0f\", $tiles / $time }") | $mega |"
done
