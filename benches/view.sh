#!/usr/bin/env bash
# The first sharp view of 100 megapixels: a page in Chromium follows a job, JPEG to JPEG. Measured is the time from the
# job's end until all tiles of both images that the fitted view shows have come.
#
#   benches/view.sh [RUNS]     default 5; needs chromium, chromedriver and python3, and what server.sh needs
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/need.sh
need "chromium chromium-driver python3" chromium chromedriver python3
source benches/server.sh
make_picture 12000 8333 "$work/picture.jpg"
start_server
machine
python3 benches/view.py "$url" "$work/picture.jpg" "${1:-5}"
