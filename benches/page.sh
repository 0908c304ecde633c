#!/usr/bin/env bash
# The page in Chromium: its weight, its first paint on an idle mill, and a job of 10,000 tiles that arrives in
# five seconds, from a server that only pretends to be one, so that the mill takes nothing from the browser.
#
#   benches/page.sh        needs chromium, chromedriver and python3 beside what all need
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/need.sh
need "chromium chromium-driver python3" chromium chromedriver python3
source benches/server.sh
start_server
machine
python3 benches/page.py "$url"
