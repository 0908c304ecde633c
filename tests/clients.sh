#!/usr/bin/env bash
# Lints the API's description, and tests generated clients: each uploads an image, waits for the end of the job,
# downloads the result, which must have the bytes that curl gets, and sends requests that must be refused.
#
#   bash tests/clients.sh PROGRAM               Python by two generators, TypeScript
#   bash tests/clients.sh PROGRAM rust go …     some of: python-client, python, typescript, go, rust
#
# The Go client needs one more download, a newer Go than Debian's, and the Rust client takes a minute to compile, so
# `tests/run.sh` tests these only with --long. Exits with 77 if something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "$1")
shift
clients=("$@")
[ $# != 0 ] || clients=(python-client python typescript)

missing() { echo "skipped: $*" >&2; exit 77; }
for tool in npm mvn java curl; do
  command -v "$tool" >/dev/null || missing "there is no $tool"
done
case " ${clients[*]} " in
  *" go "*) command -v go >/dev/null || missing "there is no go"; bash tests/clients/fetch.sh go ;;
  *) bash tests/clients/fetch.sh ;;
esac || missing "the generators could not be fetched"

tools=$(realpath "${CARGO_TARGET_DIR:-target}/clients")
sources=$PWD/tests/clients
image=$PWD/tests/data/rgba-16.png
export PATH=$tools/npm/node_modules/.bin:$tools/python/bin:$PATH
place=$(mktemp -d)
cd "$place"

start_server() {
  TILEMILL_DATA_DIR=data "$program" serve --listen 127.0.0.1:0 2>log &
  server=$!
  trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$place"' EXIT
  until address=$(sed -n 's/.*listening on //p' log) && [ -n "$address" ]; do
    kill -0 "$server" || { cat log >&2; exit 1; }
    sleep 0.1
  done
  curl -sSf -o openapi.json "$address/api/openapi.json"
}

lint() {
  # It exits with 0 in spite of warnings.
  REDOCLY_SUPPRESS_UPDATE_NOTICE=true REDOCLY_TELEMETRY=off redocly lint --format stylish openapi.json 2>&1 | tee lint
  if grep -q warning lint; then return 1; fi
  spectral lint --quiet --fail-severity warn --ruleset "$sources/spectral.yaml" openapi.json
}

# What every client must get.
download_by_curl() {
  local job
  job=$(curl -sSf -F filters=blur:2.5,invert -F tile_size=16 -F format=png -F quality=80 -F "image=@$image" \
    "$address/api/jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
  until curl -sSf "$address/api/jobs/$job" | grep -q '"status":"complete"'; do sleep 0.1; done
  curl -sSf -o expected "$address/api/jobs/$job/result"
}

# As a user does: from the running server.
openapi_generator() {
  java -jar "$tools/generator/openapi-generator-cli.jar" generate --input-spec "$address/api/openapi.json" "$@" \
    >generator.log 2>&1 || { cat generator.log >&2; return 1; }
}

# Each function generates a client in a directory of its own, and runs a program that uses it with ADDRESS IMAGE RESULT.

try_python-client() {
  openapi-python-client generate --url "$address/api/openapi.json" --config "$sources/openapi_python_client.yaml" \
    --meta none --output-path mill --fail-on-warning >generator.log 2>&1 || { cat generator.log >&2; return 1; }
  PYTHONPATH=. python "$sources/openapi_python_client.py" "$@"
}

try_python() {
  openapi_generator --generator-name python --additional-properties packageName=mill --output .
  PYTHONPATH=. python "$sources/openapi_generator.py" "$@"
}

try_typescript() {
  openapi_generator --generator-name typescript-fetch --additional-properties importFileExtension=.js --output mill
  cp "$sources/openapi_generator.ts" main.ts
  echo '{"type": "module"}' >package.json
  ln -s "$tools/npm/node_modules" node_modules
  tsc --strict --target es2023 --module nodenext --lib es2023,dom,dom.asynciterable --types node --outDir out main.ts
  node out/main.js "$@"
}

try_go() {
  local go=$tools/go
  export GOROOT=$go/toolchain GOPATH=$go/path GOCACHE=$go/cache GOTOOLCHAIN=local CGO_ENABLED=0
  export GOFLAGS="-modcacherw -mod=mod '-gcflags=all=-N -l'"
  mkdir mill
  "$go/bin/oapi-codegen" -generate types,client -package mill "$address/api/openapi.json" >mill/mill.go
  cp "$sources/oapi_codegen.go" main.go
  printf 'module clients\n\ngo 1.25\n\nrequire github.com/oapi-codegen/runtime v1.9.0\n' >go.mod
  "$GOROOT/bin/go" build -o drive .
  ./drive "$@"
}

try_rust() {
  openapi_generator --generator-name rust --additional-properties packageName=mill --output mill
  mkdir src
  cp "$sources/openapi_generator.rs" src/main.rs
  cp "$sources/Cargo.toml" .
  CARGO_TARGET_DIR=$tools/rust cargo run --quiet -- "$@"
}

start_server
lint
download_by_curl
for client in "${clients[@]}"; do
  mkdir "$client"
  (cd "$client" && "try_$client" "$address" "$image" "$place/$client/result")
  cmp expected "$client/result"
  echo "$client: as it should be ($SECONDS s)"
done

kill "$server"
wait "$server"
if grep -E 'ERROR|panicked' log; then
  echo "the log of the server is not clean" >&2
  exit 1
fi
