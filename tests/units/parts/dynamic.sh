# The units under a user that exists while they run, and back.
# shellcheck shell=bash disable=SC2154

is_dynamic() { [ "$(stat -c %u "/proc/$(pid "$1")")" -ge 61184 ]; }

jobs_listed() { get /api/jobs | grep -o '"id":"[^"]*"' | sort; }

before=$(jobs_listed)
install -D -m 644 dynamic-user.conf /etc/systemd/system/tilemill-.service.d/dynamic-user.conf
ln -s /dev/null /etc/tmpfiles.d/tilemill.conf
systemctl daemon-reload
systemctl restart "${roles[@]}"
for role in "${roles[@]}"; do is_dynamic "$role"; done
[ "$(readlink /var/lib/tilemill)" = private/tilemill ]
[ "$(jobs_listed)" = "$before" ]
mill
# As each start of the machine does.
[ -z "$(systemd-tmpfiles --create 2>&1)" ]
before=$(jobs_listed)
rm -r /etc/systemd/system/tilemill-.service.d /etc/tmpfiles.d/tilemill.conf
systemctl daemon-reload
systemctl restart "${roles[@]}"
for role in "${roles[@]}"; do [ "$(stat -c %U "/proc/$(pid "$role")")" = tilemill ]; done
[ "$(jobs_listed)" = "$before" ]
mill
echo "a dynamic user took over the jobs, and gave them back"
