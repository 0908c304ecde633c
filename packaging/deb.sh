#!/usr/bin/env bash
# Makes a Debian package of a built program, and prints the path of the package.
#
#   bash packaging/deb.sh [PROGRAM]    target/release/tilemill unless another is named
#
# VERSION defaults to that of the program. DEBFULLNAME and DEBEMAIL name the maintainer, as they do for Debian's own
# tools. Needs dpkg-dev, binutils and cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
program=${1:-$target/release/tilemill}
version=${VERSION:-$("$program" --version | cut -d' ' -f2)-1}
maintainer="${DEBFULLNAME:-The tilemill authors} <${DEBEMAIL:-tilemill@localhost}>"
architecture=$(dpkg --print-architecture)
# The same sources make the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
doc=$root/usr/share/doc/tilemill

put() { install -D -m 644 "$1" "$root/$2"; }
# Without a name and a time in the archive.
pack() { gzip --best --no-name; }

put_program() {
  install -D -m 755 "$program" "$root/usr/bin/tilemill"
  strip --strip-unneeded --remove-section=.comment "$root/usr/bin/tilemill"
}

put_units() {
  local unit
  for unit in systemd/*.service; do put "$unit" "usr/lib/systemd/system/$(basename "$unit")"; done
  put systemd/tilemill.sysusers.conf usr/lib/sysusers.d/tilemill.conf
  put systemd/tilemill.tmpfiles.conf usr/lib/tmpfiles.d/tilemill.conf
}

put_configuration() {
  put config.toml etc/tilemill/config.toml
  # The directory of the units, so that `tilemill check` inspects it.
  sed -i 's|^data_dir = .*|data_dir = "/var/lib/tilemill"|' "$root/etc/tilemill/config.toml"
  # systemd-tmpfiles sets the group: it has a number only where the package is installed.
  chmod 640 "$root/etc/tilemill/config.toml"
  chmod 750 "$root/etc/tilemill"
}

put_pages() {
  "$program" man "$root/usr/share/man/man1"
  find "$root/usr/share/man" -type f -exec gzip --best --no-name {} +
}

put_completions() {
  local share=$root/usr/share
  mkdir -p "$share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
  "$program" completions bash >"$share/bash-completion/completions/tilemill"
  "$program" completions zsh >"$share/zsh/vendor-completions/_tilemill"
  "$program" completions fish >"$share/fish/vendor_completions.d/tilemill.fish"
}

put_documents() {
  local text
  put packaging/debian/copyright usr/share/doc/tilemill/copyright
  put README.md usr/share/doc/tilemill/README.md
  for text in docs/*.md docs/alerts.yml docs/proxy/*; do put "$text" "usr/share/doc/tilemill/$text"; done
  put systemd/dynamic-user.conf usr/share/doc/tilemill/examples/dynamic-user.conf
  put packaging/debian/lintian-overrides usr/share/lintian/overrides/tilemill
  bash packaging/notices.sh | pack >"$doc/notices.gz"
  pack <CHANGELOG.md >"$doc/changelog.gz"
  pack >"$doc/changelog.Debian.gz" <<EOF
tilemill ($version) stable; urgency=medium

  * See changelog.gz for what is new.

 -- $maintainer  $(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')
EOF
}

# The libraries that the program is linked to; none if it is static.
dependencies() {
  local work
  work=$(mktemp -d)
  mkdir "$work/debian"
  printf 'Source: tilemill\n\nPackage: tilemill\nArchitecture: any\n' >"$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/tilemill") | sed -n 's/^shlibs:Depends=\(.*\)/\1, /p'
  rm -r "$work"
}

put_control() {
  local script libraries
  libraries=$(dependencies)
  mkdir "$root/DEBIAN"
  for script in postinst prerm postrm; do install -m 755 "packaging/debian/$script" "$root/DEBIAN"; done
  install -m 644 packaging/debian/conffiles "$root/DEBIAN"
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@MAINTAINER@|$maintainer|" \
    -e "s|@SIZE@|$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)|" -e "s|@DEPENDS@|$libraries|" \
    packaging/debian/control >"$root/DEBIAN/control"
}

put_program
put_units
put_configuration
put_pages
put_completions
put_documents
chmod -R u=rwX,go=rX "$root/usr"
put_control
mkdir -p "$target/package"
dpkg-deb --root-owner-group --build "$root" "$target/package" >/dev/null
printf '%s\n' "$target/package/tilemill_${version}_$architecture.deb"
