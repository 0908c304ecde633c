# Removed, installed again, purged.
# shellcheck shell=bash disable=SC2154

systemctl stop "${roles[@]}"
for role in "${roles[@]}"; do
  [ "$(systemctl show --property Result --value "$role")" = success ]
done
echo "each stopped in good order"
systemctl start "${roles[@]}"
package remove tilemill
for role in "${roles[@]}"; do inactive "$role"; done
[ ! -e /usr/bin/tilemill ]
cmp /etc/tilemill/config.toml changed.toml
[ -n "$(ls /var/lib/tilemill/final)" ]
package install ./tilemill_2.deb
active "${roles[@]}"
cmp /etc/tilemill/config.toml changed.toml
echo "removed: configuration and files stayed, and the next installation went on with them"
package purge tilemill
[ ! -e /etc/tilemill ]
[ ! -e /var/lib/tilemill ]
[ -z "$(find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'tilemill*')" ]
[ -z "$(pidof tilemill || true)" ]
id tilemill >/dev/null
echo "purged: nothing is left but the user"
