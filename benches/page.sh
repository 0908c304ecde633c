#!/usr/bin/env bash
# The page in Chromium: its weight, its first paint with an idle mill, and a job of 10,000 tiles that arrive in five
# seconds. A mock server sends them, so that no mill competes with the browser.
#
#   benches/page.sh        needs chromium, chromedriver and python3, and what server.sh needs
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/need.sh
need "chromium chromium-driver python3" chromium chromedriver python3
source benches/server.sh
start_server
machine
python3 benches/page.py "$url"
