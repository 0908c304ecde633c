#!/usr/bin/env bash
# How long ten images of 1 megapixel take over HTTP, each from upload to download, while a job with more
# than a minute of work left runs on the same server.
#
#   benches/fair.sh
#   MILL=cluster benches/fair.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/server.sh

make_picture 20000 20000 "$work/large.jpg"
make_picture 1200 834 "$work/small.jpg"
start_server
large=$(submit "$work/large.jpg" "filters=blur:30,blur:30,blur:30")
until [ "$(number "$large" tiles_done)" -gt 0 ]; do sleep 0.1; done

started=$(now) before=$(number "$large" tiles_done)
for _ in $(seq 10); do
  t=$(now)
  job=$(submit "$work/small.jpg")
  completes "$job"
  curl -sS --fail -o "$work/out" "$url/api/jobs/$job/result"
  awk "BEGIN { printf \"%.2f\n\", $(now) - $t }"
  # Long enough for the large job to have the mill to itself again.
  sleep 1
done | sort -n >"$work/times"

# The seconds of work left in the large job, at its pace when it is alone.
alone=$(now) done_before=$(number "$large" tiles_done)
sleep 10
done_now=$(number "$large" tiles_done) total=$(number "$large" tiles_total)
left=$(awk "BEGIN { print int(($total - $done_now) * ($(now) - $alone) / ($done_now - $done_before + 0.001)) }")
machine
echo "tilemill $($tilemill --version | cut -d' ' -f2), $(date '+%B %Y'). Ten jobs of 1 megapixel, seconds: $(xargs <"$work/times")."
echo "Median $(sed -n 5p "$work/times") s, worst $(tail -n 1 "$work/times") s." \
  "The large job had $before of $total tiles done at the start, $done_now at the end, and about $left s of work left."
[ "$left" -ge 60 ] || { echo "less than a minute of work was left: the figures say nothing" >&2; exit 1; }
