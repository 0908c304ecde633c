#!/usr/bin/env bash
# The first sharp view of 100 megapixels: a page follows a job, JPEG to JPEG, in Chromium, and this takes the time from
# the job's end until all tiles of both images that the fitted view shows have come.
#
#   benches/view.sh [RUNS]     five unless given; needs chromium, chromedriver and python3 beside what all need
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/need.sh
need "chromium chromium-driver python3" chromium chromedriver python3
source benches/server.sh
make_picture 12000 8333 "$work/picture.jpg"
start_server
machine
python3 benches/view.py "$url" "$work/picture.jpg" "${1:-5}"
