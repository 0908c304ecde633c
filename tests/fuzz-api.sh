#!/usr/bin/env bash
# Sends generated requests, made from the API's description, to a fresh server with small limits. No response may be a
# 5xx or one that is not described, and the server's log must stay clean.
#
#   bash tests/fuzz-api.sh [SECONDS]     default: two minutes
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-120}
version=4.32.5
venv=$PWD/target/schemathesis-$version
hooks=$PWD/tests/fuzz_api.py

if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "schemathesis==$version"
fi
# As the tests build it, so that it is not built twice.
cargo test --locked --quiet --no-run --test local
binary=$PWD/target/debug/tilemill
place=$(mktemp -d)

cd "$place"
TILEMILL_DATA_DIR=data TILEMILL_LIMITS__MAX_UPLOAD="64 KiB" TILEMILL_LIMITS__MAX_SIDE=500 \
  TILEMILL_LIMITS__MAX_TILES=5000 TILEMILL_JOBS__ACTIVE=2 \
  "$binary" serve --listen 127.0.0.1:0 2>log &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$place"' EXIT
until address=$(sed -n 's/.*listening on //p' log) && [ -n "$address" ]; do
  kill -0 "$server" || { cat log >&2; exit 1; }
  sleep 0.1
done

# It writes notes into its working directory, so it runs here. The stream of events never ends, so it is left out.
SCHEMATHESIS_HOOKS=$hooks "$venv/bin/schemathesis" run "$address/api/openapi.json" \
  --exclude-path /api/events --suppress-health-check all --continue-on-failure \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
  --max-time "$seconds" --request-timeout 20 --no-color

kill "$server"
wait "$server"
# A request that is no HTTP at all is an error only to the library that parses it.
if grep -E 'ERROR|panicked' log | grep -v 'request parse error'; then
  echo "the log of the server is not clean" >&2
  exit 1
fi
