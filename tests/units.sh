#!/usr/bin/env bash
# The systemd units: whether they are sound, how much they leave open, and whether they run. For that a small
# Debian is booted in a container, on a loopback network of its own, with a real Kafka and a real Redis beside it.
#
#   bash tests/units.sh PROGRAM
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "$1")
# The most that `systemd-analyze security` may find open, in tenths.
exposure=20

say() { printf '%s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

check_units() {
  local copies unit instance said
  copies=$(mktemp -d)
  for unit in systemd/*.service; do
    instance=$(basename "${unit/@/@1}")
    sed "s|^ExecStart=/usr/bin/tilemill|ExecStart=$program|" "$unit" >"$copies/$instance"
    said=$(systemd-analyze verify "$copies/$instance" 2>&1) || fail "$instance: $said"
    [ -z "$said" ] || fail "$instance: $said"
    said=$(systemd-analyze security --offline=true --threshold="$exposure" "$copies/$instance") ||
      fail "$said"
    say "$(grep -o 'Overall exposure level.*' <<<"$said" | tr -s ' ')"
  done
  rm -r "$copies"
}

# The Debian, made once.
make_root() {
  local mirror name
  [ -e "$root/made" ] && return
  # shellcheck disable=SC1091
  name=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Release: $name" | head -n 1)
  rm -rf "$root"
  debootstrap --variant=minbase --include=systemd,systemd-sysv "$name" "$root" "$mirror" >"$root.log" 2>&1 ||
    fail "debootstrap: $(tail -n 5 "$root.log")"
  touch "$root/made"
}

# As a package would put it there.
install_mill() {
  local unit
  install -D "$program" "$root/usr/bin/tilemill"
  for unit in systemd/*.service; do install -D -m 644 -t "$root/usr/lib/systemd/system" "$unit"; done
  install -D -m 644 systemd/tilemill.sysusers.conf "$root/usr/lib/sysusers.d/tilemill.conf"
  install -D -m 644 systemd/tilemill.tmpfiles.conf "$root/usr/lib/tmpfiles.d/tilemill.conf"
  install -D -m 644 tests/data/baseline-420.jpg "$root/opt/in.jpg"
  install -D -m 755 tests/units/inside.sh "$root/opt/inside.sh"
  install -D -m 644 tests/units/inside.service "$root/etc/systemd/system/inside.service"
  mkdir -p "$root/etc/tilemill"
  printf '[kafka]\nbrokers = ["%s"]\n[redis]\naddress = "127.0.0.1:6379"\n' "$broker" \
    >"$root/etc/tilemill/config.toml"
  # Secrets may be in it; the units can read it only by what systemd-tmpfiles does.
  chmod 600 "$root/etc/tilemill/config.toml"
  rm -rf "$root/opt/result" "$root/var/lib/tilemill" "$root/etc/machine-id"
  systemctl --root="$root" --quiet enable inside.service \
    tilemill-{serve,collect,monitor}.service tilemill-work@1.service
}

boot() {
  timeout 600 systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$root" \
    --hostname=node >"$work/console" 2>&1 || true
  [ "$(tail -n 1 "$root/opt/result" 2>/dev/null)" = "all well" ] && return
  cat "$work/console" "$root/opt/result" >&2
  fail "the units did not run as they should"
}

root=${CARGO_TARGET_DIR:-target}/debian
if [ "${2:-}" != inside ]; then
  check_units
  make_root
  network=tilemill-units-$$
  ip netns add "$network"
  trap 'ip netns del "$network"' EXIT
  ip -n "$network" link set lo up
  # Not by `ip netns exec`, which hides the control groups.
  nsenter "--net=/run/netns/$network" bash "$0" "$program" inside
  exit
fi

# shellcheck source=benches/broker.sh
TILEMILL_TEST_KAFKA='' source benches/broker.sh
redis-server --save '' --bind 127.0.0.1 --port 6379 >"$work/redis.log" &
redis=$!
trap 'kill "$redis"; leave' EXIT
TILEMILL_KAFKA__BROKERS=$broker "$program" topics create >/dev/null
install_mill
boot
grep -v '^all well' "$root/opt/result"
