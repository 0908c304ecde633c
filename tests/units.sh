#!/usr/bin/env bash
# Tests the systemd units and the Debian package: whether the units are valid, how much they leave exposed, and whether
# both work. A small Debian is booted in a container, on a loopback network of its own, with a real Kafka and a real
# Redis beside it.
#
#   bash tests/units.sh PROGRAM
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "$1")
# The highest exposure that `systemd-analyze security` may find, in tenths.
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

# The Debian, made once and never changed: the changes of a test are deleted with the container.
make_root() {
  local mirror name
  [ -e "$root/made" ] && [ ! -e "$root/usr/bin/tilemill" ] && return
  # shellcheck disable=SC1091
  name=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Release: $name" | head -n 1)
  rm -rf "$root"
  debootstrap --variant=minbase --include=systemd,systemd-sysv "$name" "$root" "$mirror" >"$root.log" 2>&1 ||
    fail "debootstrap: $(tail -n 5 "$root.log")"
  touch "$root/made"
}

# A picture of noise that takes long to filter: a header, and 640 × 480 pixels of 24 bits.
make_picture() {
  printf 'BM\x36\x10\x0e\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x80\x02\0\0\xe0\x01\0\0\x01\0\x18\0'
  head -c 24 /dev/zero
  head -c 921600 /dev/urandom
}

# The contents of /opt in the container: two versions of the package, which differ only in their number, and the test.
fill_share() {
  export DPKG_DEB_COMPRESSOR_TYPE=none
  cp "$(VERSION=1 bash packaging/deb.sh "$program")" "$share/tilemill_1.deb"
  dpkg-deb --raw-extract "$share/tilemill_1.deb" "$work/package"
  sed -i 's/^Version: 1$/Version: 2/' "$work/package/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$work/package" "$share/tilemill_2.deb" >/dev/null
  cp -r tests/units/inside.sh tests/units/parts systemd/dynamic-user.conf "$share"
  cp tests/data/baseline-420.jpg "$share/in.jpg"
  make_picture >"$share/large.bmp"
  printf '[kafka]\nbrokers = ["%s"]\n[redis]\naddress = "127.0.0.1:6379"\n' "$broker" >"$share/kafka-and-redis.toml"
}

boot() {
  install -m 644 tests/units/inside.service "$root/etc/systemd/system"
  systemctl --root="$root" --quiet enable inside.service
  timeout 600 systemd-nspawn --quiet --register=no --keep-unit --boot --volatile=overlay --directory="$root" \
    --bind="$share:/opt" --hostname=node >"$work/console" 2>&1 || true
  [ "$(tail -n 1 "$share/result" 2>/dev/null)" = "all well" ] && return
  cat "$work/console" "$share/result" >&2
  fail "the package and its units did not do as they should"
}

root=${CARGO_TARGET_DIR:-target}/debian
if [ "${2:-}" != inside ]; then
  check_units
  make_root
  # For packaging/notices.sh, which reads the manifests for all platforms: the container's network has no other machines.
  cargo fetch --locked --quiet
  network=tilemill-units-$$
  ip netns add "$network"
  trap 'ip netns del "$network"' EXIT
  ip -n "$network" link set lo up
  # Not with `ip netns exec`, which hides the control groups.
  nsenter "--net=/run/netns/$network" bash "$0" "$program" inside
  exit
fi

# shellcheck source=benches/broker.sh
TILEMILL_TEST_KAFKA='' source benches/broker.sh
redis-server --save '' --bind 127.0.0.1 --port 6379 >"$work/redis.log" &
redis=$!
trap 'kill "$redis"; leave' EXIT
TILEMILL_KAFKA__BROKERS=$broker "$program" topics create >/dev/null
share=$work/share
mkdir "$share"
fill_share
boot
grep -v '^all well' "$share/result"
