#!/usr/bin/env bash
# The cost of 200 open pages: the server's CPU seconds for a job of 100 megapixels, with that many event streams that
# follow it, and without. In turn, five times each.
#
#   benches/listeners.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/server.sh

make_picture 11600 8650 "$work/large.jpg"
start_server

# Seconds of CPU that the server has used so far.
used() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$server/stat"; }

job() { # LISTENERS: prints the CPU seconds of a job
  local before id
  before=$(used)
  id=$(submit "$work/large.jpg" filters=grayscale)
  if [ "$1" -gt 0 ]; then python3 benches/listeners.py "$url" "$id" "$1"; else completes "$id"; fi
  awk "BEGIN { printf \"%.2f\n\", $(used) - $before }"
}

job 0 >"$work/warm"
for _ in 1 2 3 4 5; do
  job 0 >>"$work/without"
  job 200 >>"$work/with"
done
median() { sort -n "$1" | sed -n 3p; }
machine
echo "CPU seconds without listeners: $(xargs <"$work/without"); with 200: $(xargs <"$work/with")."
awk "BEGIN { printf \"Medians %.2f and %.2f, ratio %.2f.\n\", $(median "$work/without"), $(median "$work/with"), $(median "$work/with") / $(median "$work/without") }"
