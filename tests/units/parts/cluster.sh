# An operator makes it a cluster: all four units.
# shellcheck shell=bash disable=SC2154

cat kafka-and-redis.toml >>/etc/tilemill/config.toml
cp /etc/tilemill/config.toml changed.toml
# Secrets may be in it; the units can read it only by what systemd-tmpfiles does.
chown root:root /etc/tilemill/config.toml
chmod 600 /etc/tilemill/config.toml
systemd-tmpfiles --create tilemill.conf
[ "$(stat -c '%a %U %G' /etc/tilemill/config.toml)" = "640 root tilemill" ]
systemctl restart tilemill-serve
systemctl --quiet enable --now "${others[@]}"
for role in "${roles[@]}"; do
  active "$role"
  [ "$(stat -c %U "/proc/$(pid "$role")")" = tilemill ]
done
# %H-%i
journalctl --sync
journalctl --no-pager --unit tilemill-work@1 | grep -q "worker=$(uname -n)-1 "
mill
echo "four units run, and give the bytes of a run"
for role in "${roles[@]}"; do
  before=$(pid "$role")
  kill -KILL "$before"
  until [ "$(pid "$role")" != "$before" ] && active "$role"; do sleep 0.2; done
done
mill
echo "each was killed, and came back"
