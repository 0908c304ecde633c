#!/usr/bin/env bash
# dpkg 1.21 calls `postinst configure VERSION` with the version that was configured last, and remembers it after `dpkg
# --remove`. If a package is installed again while its configuration files are still there, VERSION is not empty
# although nothing was installed. A script that reads `[ -z "$2" ]` as "installed anew" then does not redo what the
# removal undid, such as enabling a unit. Only a purge makes VERSION empty again.
#
# Seen on 2026-11-30 with dpkg 1.21.23 (Debian 12):
#   first: postinst configure []
#   upgraded: postinst configure [1]
#   removed and installed: postinst configure [2]
#   purged and installed: postinst configure []
#
# Needs dpkg and root, and touches no package of the machine: the root is a temporary directory. Runs for a second.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "dpkg --root needs root" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 1 2; do
  mkdir -p "$version/DEBIAN" "$version/etc"
  printf 'Package: finding\nVersion: %s\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: none\n' $version \
    >"$version/DEBIAN/control"
  echo /etc/finding >"$version/DEBIAN/conffiles"
  echo "of all versions" >"$version/etc/finding"
  printf '#!/bin/sh\necho "postinst $1 [$2]"\n' >"$version/DEBIAN/postinst"
  chmod 755 "$version/DEBIAN/postinst"
  dpkg-deb --root-owner-group --build "$version" "$version.deb" >/dev/null
done
mkdir -p root/var/lib/dpkg/{info,updates,triggers}
touch root/var/lib/dpkg/{status,available}
package() {
  dpkg --root="$work/root" --force-script-chrootless --log="$work/log" "$@"
}
installed() { # NAME FILE
  printf '%s: %s\n' "$1" "$(package --install "$2" | grep ^postinst)"
}
{
  installed first 1.deb
  installed upgraded 2.deb
  package --remove finding >/dev/null
  installed "removed and installed" 2.deb
  package --purge finding >/dev/null
  installed "purged and installed" 2.deb
} | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
first: postinst configure []
upgraded: postinst configure [1]
removed and installed: postinst configure [2]
purged and installed: postinst configure []
SEEN
