#!/usr/bin/env bash
# The time of jobs in a cluster of this build beside one of another build, such as that of an earlier commit. Both mills
# share a broker and a Redis, and their jobs alternate, so that a machine whose speed changes is as slow for both.
#
#   benches/cluster-before.sh OTHER            OTHER is a `tilemill` that was built elsewhere
#   RUNS=41 benches/cluster-before.sh OTHER    more pairs of jobs (default 15)
#   ROWS=512 benches/cluster-before.sh OTHER   only the rows whose names match
set -euo pipefail
other=$(realpath "${1:?benches/cluster-before.sh OTHER, a tilemill that was built elsewhere}")
cd "$(dirname "$0")/.."
runs=${RUNS:-15}
export WORKERS=${WORKERS:-2}
MILL=cluster
source benches/server.sh
ours=$tilemill
base=$work

# Seconds from the start of an upload to the final image, by the server at an address.
mills() { # URL IMAGE FIELD…
  local t job
  url=$1
  shift
  t=$(now)
  job=$(submit "$@")
  completes "$job"
  awk "BEGIN { printf \"%.3f\\n\", $(now) - $t }"
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# User and system time of processes and their threads so far, in seconds.
spent() {
  local process
  for process in "$@"; do awk '{ print $14 + $15 }' "/proc/$process/stat"; done | awk '{ sum += $1 } END { print sum / 100 }'
}

make_picture 12000 8334 "$work/large.jpg"
make_picture 6000 4000 "$work/middle.jpg"
start_server
now_url=$url
now_processes=("$server" "${others[@]:1}")

# The other mill, with topics, groups and keys of its own.
mkdir "$base/before"
work=$base/before tilemill=$other
for key in tasks results heartbeats; do export "TILEMILL_TOPICS__${key^^}=before-$key"; done
for key in tasks results heartbeats; do export "TILEMILL_TOPICS__${key^^}_GROUP=before-$key-group"; done
export TILEMILL_REDIS__PREFIX=before:
(mill topics create >/dev/null)
started=${#others[@]}
others+=("$server")
serve
before_url=$url
before_processes=("$server" "${others[@]:started + 1}")
work=$base

machine
echo "$($other --version) before, $($ours --version) now; median of $runs pairs of jobs, $WORKERS workers each."
echo
echo "| job | before s | now s | now ÷ before | processor seconds a job before | now |"
echo "|---|---|---|---|---|---|"
row() { # NAME IMAGE FIELD…
  local name=$1 run warm
  shift
  [[ $name =~ ${ROWS:-.} ]] || return 0
  for warm in "$before_url" "$now_url"; do mills "$warm" "$@" >/dev/null; done
  : >"$base/times-before" >"$base/times-now"
  local before_from now_from
  before_from=$(spent "${before_processes[@]}") now_from=$(spent "${now_processes[@]}")
  for ((run = 0; run < runs; run++)); do
    # They take turns at going first.
    if ((run % 2)); then
      mills "$before_url" "$@" >>"$base/times-before"
      mills "$now_url" "$@" >>"$base/times-now"
    else
      mills "$now_url" "$@" >>"$base/times-now"
      mills "$before_url" "$@" >>"$base/times-before"
    fi
  done
  local before after
  before=$(median "$base/times-before") after=$(median "$base/times-now")
  echo "| $name | $before | $after | $(awk "BEGIN { printf \"%.2f\", $after / $before }") |" \
    "$(awk "BEGIN { printf \"%.2f | %.2f\", ($(spent "${before_processes[@]}") - $before_from) / $runs, ($(spent "${now_processes[@]}") - $now_from) / $runs }") |"
}
row "100 megapixels, JPEG to JPEG, grayscale" "$base/large.jpg"
row "24 megapixels, blur:2, tiles of 512" "$base/middle.jpg" filters=blur:2 tile_size=512
row "24 megapixels, blur:2, tiles of 128" "$base/middle.jpg" filters=blur:2 tile_size=128
row "24 megapixels, blur:2, tiles of 64" "$base/middle.jpg" filters=blur:2 tile_size=64
