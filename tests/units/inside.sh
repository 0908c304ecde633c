#!/bin/bash
# Run in the container by inside.service: an operator's way with the package, from its installation to its removal.
set -Eeuo pipefail
exec >/opt/result 2>&1
cd /opt
export DEBIAN_FRONTEND=noninteractive
others=(tilemill-collect tilemill-monitor tilemill-work@1)
roles=(tilemill-serve "${others[@]}")
trap 'echo "failed at line $LINENO: $BASH_COMMAND"; systemctl --no-pager status "${roles[@]}"; journalctl --no-pager -n 80' ERR

# Nothing can be fetched here.
package() { apt-get -qq -y --no-install-recommends "$@" >apt.log 2>&1 || { cat apt.log; false; }; }

pid() { systemctl show --property MainPID --value "$1"; }

pids() { local role; for role in "${roles[@]}"; do pid "$role"; done; }

# Type=notify: they are active when they have said so.
active() { local role; for role in "$@"; do systemctl is-active --quiet "$role" || return 1; done; }

inactive() { ! systemctl is-active --quiet "$1"; }

mill() {
  rm -f out.jpg
  tilemill submit in.jpg -o out.jpg --filters blur:3 >/dev/null
  cmp out.jpg expected.jpg
}

# Whether the newest job says this.
says() { grep -q "$1" <<<"$(get '/api/jobs?count=1')"; }

# The API's answer, without a program for it.
get() {
  exec 3<>/dev/tcp/127.0.0.1/5001
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
  cat <&3
  exec 3>&-
}

for part in install cluster upgrade dynamic remove; do
  # shellcheck source=/dev/null
  source "parts/$part.sh"
done
echo "all well"
