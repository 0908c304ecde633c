#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12) answers 502, not 413, to a request that is larger than its `request_body max_size` and goes to
# a `reverse_proxy`. It cuts the body off on its way, although the length was announced, and treats that as a failure of
# the server. The server behind it sees an upload that ends early. The client is told that the server is unreachable,
# which invites a retry. Only Caddy's log has the reason.
#
# Seen on 2026-11-30, with a limit of 1,000 bytes:
#   900 bytes: 200
#   2000 bytes: 502
#   the log: http: request body too large
#
# Needs a Debian 12 whose apt-get works, and Python. Runs for a few seconds.
set -euo pipefail
work=$(mktemp -d)
caddy=
server=
stop() {
  for process in $caddy $server; do
    kill "$process" || true
    wait "$process" || true
  done
  rm -rf "$work"
}
trap stop EXIT
cd "$work"
apt-get download caddy=2.6.2-5 >downloaded 2>&1 || { echo "caddy 2.6.2-5 cannot be had: $(tail -1 downloaded)" >&2; exit 77; }
dpkg-deb --extract caddy_2.6.2-5_*.deb .

address=127.$((RANDOM % 200 + 1)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
cat >server.py <<'PYTHON'
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], 9000), Handler).serve_forever()
PYTHON
timeout 60 python3 server.py "$address" 2>server.log &
server=$!
cat >Caddyfile <<CADDY
{
	admin off
	auto_https off
}
http://$address:8080 {
	request_body {
		max_size 1000
	}
	reverse_proxy $address:9000
}
CADDY
XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work timeout 60 usr/bin/caddy run --config Caddyfile >caddy.log 2>&1 &
caddy=$!
for port in 9000 8080; do
  for _ in {1..100}; do
    if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then break; fi
    sleep 0.1
  done
done

timeout 30 python3 - "$address" >seen <<'PYTHON'
import http.client
import sys

for size in 900, 2000:
    connection = http.client.HTTPConnection(sys.argv[1], 8080, timeout=10)
    connection.request("POST", "/", bytes(size))
    print(f"{size} bytes: {connection.getresponse().status}")
PYTHON
echo "the log: $(grep -o 'http: request body too large' caddy.log | sort -u)" >>seen
cat seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
900 bytes: 200
2000 bytes: 502
the log: http: request body too large
SEEN
