#!/usr/bin/env bash
# Formatting, lints and all tests. Installs what they need from Debian or Ubuntu packages.
#
#   bash tests/run.sh            everything; reports and skips what cannot be installed
#   bash tests/run.sh --require  everything; fails if something is missing
#   bash tests/run.sh --long     also more seeds, longer runs, an older Kafka, and two minutes of generated requests
set -euo pipefail
cd "$(dirname "$0")/.."

require=${TILEMILL_TEST_REQUIRE:-}
long=
for option in "$@"; do
  case "$option" in
    --require) require=all ;;
    --long) long=yes; export TILEMILL_TEST_LONG=1 PROPTEST_CASES=20000 ;;
    *) echo "unknown option $option; there are --require and --long" >&2; exit 2 ;;
  esac
done
export TILEMILL_TEST_REQUIRE=$require

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# Runs a command as root, if that needs no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

# Runs a command, and kills it with all its children if it takes longer than `longest`: a test that hangs is a failure.
# The command is in a process group of its own, to which an interrupt has to be passed on.
longest=40m
[ -z "$long" ] || longest=5h
limited() {
  local status=0
  timeout --kill-after 10s "$longest" "$@" &
  trap "kill $!; exit 130" INT TERM
  wait $! || status=$?
  trap - INT TERM
  [ $status != 124 ] || echo "not over after $longest: what was named last above hangs ($*)" >&2
  return $status
}

# program:package, for what the tests use beside cargo
tools=(chromium:chromium chromedriver:chromium-driver firefox-esr:firefox-esr redis-server:redis-server qemu-x86_64:qemu-user cc:gcc mvn:maven
  cjpeg:libjpeg-turbo-progs java:openjdk-17-jre-headless npm:npm ip:iproute2 debootstrap:debootstrap systemd-nspawn:systemd-container
  systemd-analyze:systemd nsenter:util-linux faketime:faketime dpkg-shlibdeps:dpkg-dev
  nginx:nginx caddy:caddy apache2:apache2-bin haproxy:haproxy script:bsdutils setsid:util-linux
  python3:python3 venv:python3-venv setpriv:util-linux openssl:openssl curl:curl bsdtar:libarchive-tools)

[ -z "$long" ] || tools+=(go:golang-go)

# Tests for parts of Python that are packages of their own, and for proxies, which are only in root's PATH.
has() {
  if [ "$1" = venv ]; then python3 -c 'import ensurepip, venv' 2>/dev/null; return; fi
  PATH=$PATH:/usr/sbin command -v "$1" >/dev/null
}

# While this runs, no package starts a service on this machine: the tests start the services that they need.
without_services() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy"
  fi
  "$@"
)

install() {
  without_services as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_tools() {
  local tool missing=()
  for tool in "${tools[@]}"; do
    has "${tool%%:*}" || missing+=("${tool##*:}")
  done
  [ ${#missing[@]} = 0 ] && return
  step "install ${missing[*]}"
  as_root apt-get update -qq || true
  # If a distribution lacks one package, apt-get installs none of them.
  install "${missing[@]}" || for tool in "${missing[@]}"; do install "$tool" || true; done
  for tool in "${tools[@]}"; do
    has "${tool%%:*}" && continue
    echo "${tool%%:*} is missing and could not be installed (package ${tool##*:})" >&2
    [ "$require" = all ] && exit 1
  done
  return 0
}

# A macro declares the filters, and `cargo fmt` does not format its contents.
check_format() {
  cargo fmt --all --check
  rustfmt --check --edition 2024 src/raster/filter/*.rs
}

# One executable, no C: crates that compile C use `cc`, `cmake` or `bindgen`. Only ring may, which encrypts what
# `submit` sends.
check_no_c() {
  local tool found
  for tool in cc cmake bindgen; do
    cargo tree --locked -e normal,build --prefix none --format '{p}' | grep -q "^$tool " || continue
    found=$(cargo tree --locked -e normal,build --invert "$tool" --depth 1 --prefix depth |
      sed -n 's/^1//p' | grep -v '^ring ' || true)
    [ -z "$found" ] || { echo "these compile C with $tool: $found" >&2; exit 1; }
  done
}

# Compares hashes on processors of 2010 and of 2003 with those on this one: no byte may depend on a processor's
# features.
check_old_processor() {
  if ! command -v qemu-x86_64 >/dev/null || [ "$(uname -m)" != x86_64 ]; then
    echo "skipped: there is no qemu-x86_64, or this is not an x86-64 machine"
    return
  fi
  local binary
  binary=$(executable pixels)
  qemu-x86_64 -cpu Westmere "$binary" hashes::
  qemu-x86_64 -cpu qemu64 "$binary" hashes::
}

fuzz_api() {
  if has venv; then bash tests/fuzz-api.sh; else echo "skipped: python3-venv is missing"; fi
}

# Containers need root.
try_units() {
  if [ "$(id -u)" = 0 ] && command -v systemd-nspawn debootstrap nsenter >/dev/null; then
    # As the tests built it: `cargo build` would rebuild half of the dependencies, with fewer features.
    bash tests/units.sh "${CARGO_TARGET_DIR:-target}/debug/tilemill"
    return
  fi
  echo "skipped: the units are started in a container, which needs root, systemd-nspawn and debootstrap" >&2
  [ "$require" != all ]
}

# Compares values with those of other programs.
compare_with_others() {
  local status=0
  bash tests/reference.sh || status=$?
  # The programs to compare with could not be installed.
  [ $status != 77 ] || [ "$require" = all ] || return 0
  return $status
}

# Generated clients. The Rust one takes a minute to compile.
try_clients() {
  local status=0 program=${CARGO_TARGET_DIR:-target}/debug/tilemill
  bash tests/clients.sh "$program" ${long:+python-client python typescript go rust} || status=$?
  # Something that the clients need is missing.
  [ $status != 77 ] || [ "$require" = all ] || return 0
  return $status
}

fetch_kafka() {
  if command -v mvn >/dev/null && bash tests/cluster/broker/fetch.sh; then return; fi
  echo "Apache Kafka could not be fetched" >&2
  [ "$require" != all ]
}

fetch_axe() {
  if command -v npm >/dev/null && bash tests/browser/fetch.sh; then return; fi
  echo "axe-core could not be fetched" >&2
  [ "$require" != all ]
}

fetch_prometheus() {
  if bash tests/cluster/prometheus/fetch.sh; then return; fi
  # If nothing had to be installed, the list of packages may be missing or old.
  if as_root apt-get update -qq && bash tests/cluster/prometheus/fetch.sh; then return; fi
  echo "Prometheus could not be fetched" >&2
  [ "$require" != all ]
}

# Brokers of the previous version, too: with a controller, and with ZooKeeper.
try_older_kafka() {
  local version=3.9.1 mode suite
  bash tests/cluster/broker/fetch.sh "$version"
  for mode in TILEMILL_TEST_KAFKA_KRAFT=1 TILEMILL_TEST_KAFKA_ZOOKEEPER=1; do
    for suite in group kafka faults processes obstacles; do
      env -u TILEMILL_TEST_LONG "TILEMILL_TEST_KAFKA_VERSION=$version" $mode \
        cargo test --locked --test cluster -- "$suite::"
    done
  done
}

document() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet; }

# Suites of the cluster that run in the first lane; the second lane has all others, and all other programs. Both mostly
# wait: for sessions that expire, and for services that come back.
first_suites=(redis:: kafka:: group:: faults:: processes::)

# The test programs but that of the cluster, and that of the mutants, which needs neither a service nor quiet.
other_programs() {
  local file
  for file in tests/*.rs tests/*/main.rs; do
    file=${file#tests/} file=${file%/main.rs} file=${file%.rs}
    [[ $file = mutants || $file = cluster ]] || printf -- '--test\n%s\n' "$file"
  done
}

# The executable of a test program, which runs without cargo: cargo would wait for the lints to be over.
executable() {
  cargo test --locked --no-run --test "$1" --message-format json 2>/dev/null |
    grep -o "\"executable\":\"[^\"]*/$1-[^\"]*\"" | cut -d'"' -f4
}

first_lane() {
  local suite skipped=()
  for suite in $("$cluster" --list | sed -n 's/^\([a-z_]*::\).*: test$/\1/p' | sort -u); do
    [[ " ${first_suites[*]} " = *" $suite "* ]] || skipped+=(--skip "$suite")
  done
  limited "$cluster" "${skipped[@]}"
}

second_lane() {
  local suite skipped=()
  for suite in "${first_suites[@]}"; do skipped+=(--skip "$suite"); done
  step "other suites of the cluster"; limited "$cluster" "${skipped[@]}"
  mapfile -t programs < <(other_programs)
  step "other programs"; limited cargo test --locked --lib --bins "${programs[@]}"
  step "the second lane has ended"
}

# What needs no service and no quiet, on the processor time that the tests leave. One after another, so that the memory
# they take together stays small.
check_beside() {
  renice -n 19 $BASHPID >/dev/null
  step "lints"; cargo clippy --locked --all-targets --quiet -- -D warnings
  step "mutants"; limited cargo test --locked --test mutants
  step "documentation"; document
  step "hashes on an old processor"; check_old_processor
  step "values beside those of other programs"; compare_with_others
  step "generated clients"; try_clients
  step "ended beside the tests"
}

# Starts a function in the background, in a process group of its own, which ends with this script. What it prints is
# kept.
start() {
  told+=("$(mktemp)")
  set -m
  "$1" >"${told[-1]}" 2>&1 &
  started+=($!)
  set +m
}

# Waits for what was started, in that order, and prints what it printed.
join() {
  local index status
  for index in "${!started[@]}"; do
    status=0
    wait "${started[index]}" || status=$?
    cat "${told[index]}"
    [ $status = 0 ] || { echo "what was named last above failed" >&2; exit $status; }
  done
}

end() {
  local process
  rm -f "${told[@]}"
  for process in "${started[@]}"; do kill -- "-$process" 2>/dev/null || true; done
}

told=()
started=()
trap end EXIT
install_tools
[ -n "${TILEMILL_TEST_KAFKA:-}" ] || { step "Apache Kafka"; fetch_kafka; }
step "axe-core"; fetch_axe
step "Prometheus"; fetch_prometheus
step "formatting"; check_format
step "no C in the dependencies"; check_no_c
step "building the tests"; cargo test --locked --no-run --quiet
cluster=$(executable cluster)
start second_lane
start check_beside
step "tests"; first_lane
step "systemd units and the Debian package"; try_units
join
[ -z "$long" ] || { step "an older Kafka"; try_older_kafka; }
[ -z "$long" ] || { step "made-up requests"; fuzz_api; }
step "all passed"
