#!/bin/bash
# Run in the container by inside.service: whether the units run, as whom, and whether they come back.
set -euo pipefail
exec >/opt/result 2>&1
cd /opt
roles="tilemill-serve tilemill-collect tilemill-monitor tilemill-work@1"
trap 'systemctl --no-pager status $roles; journalctl --no-pager -n 60' ERR

pid() { systemctl show --property MainPID --value "$1"; }

mill() {
  rm -f out.jpg
  tilemill submit in.jpg -o out.jpg --filters blur:3 >/dev/null
  cmp out.jpg expected.jpg
}

# Type=notify: they are active when they have said so.
for role in $roles; do
  systemctl is-active --quiet "$role"
  [ "$(stat -c %U "/proc/$(pid "$role")")" = tilemill ]
done
[ "$(stat -c '%a %U %G' /etc/tilemill/config.toml)" = "640 root tilemill" ]
# Whoever may not see the file is told so, and does not get the defaults.
status=0
said=$(cd / && runuser -u nobody -- tilemill check 2>&1) || status=$?
[ "$status" = 2 ]
grep -q "may not look whether there is /etc/tilemill/config.toml" <<<"$said"
# %H-%i
journalctl --sync
journalctl --no-pager --unit tilemill-work@1 | grep -q "worker=$(uname -n)-1 "
tilemill run in.jpg -o expected.jpg --filters blur:3 --overwrite >/dev/null
mill
echo "four units run, and give the bytes of a run"
for role in $roles; do
  before=$(pid "$role")
  kill -KILL "$before"
  until [ "$(pid "$role")" != "$before" ] && systemctl is-active --quiet "$role"; do sleep 0.2; done
done
mill
echo "each was killed, and came back"
systemctl stop $roles
for role in $roles; do
  [ "$(systemctl show --property Result --value "$role")" = success ]
done
echo "each stopped in good order"
echo "all well"
