#!/usr/bin/env bash
# Fetches the linters and the generators of clients for the tests, once, into target/clients: each under a name with its
# version, and under its name alone what is in use. Needs npm, Maven, python3-venv, and for Go any version of Go.
#
#   bash tests/clients/fetch.sh go     and oapi-codegen, with a Go that can build it
set -euo pipefail
cd "$(dirname "$0")/../.."

generator=7.25.0
python=(openapi-python-client==0.29.1 ruff==0.15.0 urllib3==2.7.0 python-dateutil==2.9.0.post0)
go=1.26.8
oapi_codegen=2.8.2

folder=${CARGO_TARGET_DIR:-target}/clients
mkdir -p "$folder"
folder=$(realpath "$folder")
staged=$(mktemp -d -p "$folder")
trap 'chmod -R u+w "$staged"; rm -rf "$staged"' EXIT

# Makes NAME-VERSION by a function, under its name only when it is whole.
fetch() {
  local name=$1 version=$2
  if [ ! -d "$folder/$name-$version" ]; then
    mkdir "$staged/$name"
    # A script of its own: behind `||`, a function would go on after a command that failed.
    export staged folder
    bash -c "set -euo pipefail; $(declare -f "fetch_$name"); $(declare -p python go oapi_codegen); \"\$@\"" - \
      "fetch_$name" "$staged/$name" "$version" >"$staged/$name.log" 2>&1 || {
      echo "$name $version could not be fetched:" >&2
      tail -n 20 "$staged/$name.log" >&2
      return 1
    }
    mv -T "$staged/$name" "$folder/$name-$version"
  fi
  ln -sfn "$name-$version" "$folder/$name"
}

# With a Node.js of its own: the linters need a newer one than Debian's.
fetch_npm() {
  cp tests/clients/package.json "$1"
  npm install --prefix "$1" --no-audit --no-fund
}

fetch_generator() {
  mvn -q -B -ntp org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy -Dmdep.stripVersion=true \
    "-Dartifact=org.openapitools:openapi-generator-cli:$2" "-DoutputDirectory=$1"
}

# A virtual environment knows where it is, so this one is made there.
fetch_python() {
  rmdir "$1"
  python3 -m venv "$folder/venv-$2"
  "$folder/venv-$2/bin/pip" install --quiet "${python[@]}"
  ln -s "$folder/venv-$2" "$1"
}

# Any Go fetches the one that is needed, as a module that the checksum database knows. Without optimization:
# that takes longer to build than it ever saves here.
fetch_go() {
  local platform module
  platform=$(go env GOOS)-$(go env GOARCH)
  export GOTOOLCHAIN=local GOPATH=$1/path GOFLAGS="-modcacherw '-gcflags=all=-N -l'" CGO_ENABLED=0
  go mod download "golang.org/toolchain@v0.0.1-go$go.$platform"
  module=$GOPATH/pkg/mod/golang.org/toolchain@v0.0.1-go$go.$platform
  chmod -R u+wx "$module/bin" "$module/pkg/tool"
  mv -T "$module" "$1/toolchain"
  env GOBIN="$1/bin" GOCACHE="$1/cache" "$1/toolchain/bin/go" install \
    "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v$oapi_codegen"
}

sum() { printf '%s ' "$@" | cksum | cut -d' ' -f1; }

# They wait for the network more than for each other.
fetch npm "$(sum "$(cat tests/clients/package.json)")" & parts=($!)
fetch generator "$generator" & parts+=($!)
fetch python "$(sum "${python[@]}")" & parts+=($!)
[ "${1:-}" != go ] || { fetch go "$go-$oapi_codegen" & parts+=($!); }
# All of them, before what they write to is removed.
status=0
for part in "${parts[@]}"; do wait "$part" || status=1; done
exit $status
