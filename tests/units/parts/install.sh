# A machine of its own: one command, and the server answers.
# shellcheck shell=bash disable=SC2154

package install ./tilemill_1.deb
active tilemill-serve
for unit in tilemill-collect tilemill-monitor tilemill-work@; do
  [ "$(systemctl is-enabled "$unit.service" || true)" = disabled ]
done
[ "$(stat -c '%a %U %G' /etc/tilemill/config.toml)" = "640 root tilemill" ]
[ "$(stat -c '%a %U %G' /var/lib/tilemill)" = "750 tilemill tilemill" ]
tilemill run in.jpg -o expected.jpg --filters blur:3
mill
# The file is for the units. Other users may filter all the same, by the defaults.
(cd "$(runuser -u nobody -- mktemp -d)" &&
  runuser -u nobody -- tilemill run /opt/in.jpg -o out.jpg --filters blur:3 && cmp out.jpg /opt/expected.jpg)
# What wants the file says that it is hidden, and does not take the defaults.
status=0
said=$(cd / && runuser -u nobody -- tilemill check 2>&1) || status=$?
[ "$status" = 2 ]
grep -q "this user may not see whether /etc/tilemill/config.toml exists" <<<"$said"
runuser -u tilemill -- tilemill check >/dev/null
zcat /usr/share/man/man1/tilemill-run.1.gz | grep -q skip
bash -c 'source /usr/share/bash-completion/completions/tilemill && complete -p tilemill' >/dev/null
[ -z "$(dpkg --verify tilemill)" ]
echo "installed: the server runs, and answers with the bytes of a run"
