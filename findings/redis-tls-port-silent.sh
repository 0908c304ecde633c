#!/usr/bin/env bash
# Redis 7.0.15 with OpenSSL 3.0 closes the connection of a client that sends plaintext to its TLS port, without a TLS
# alert: OpenSSL sends none before a first record that looks like TLS. So a client that expects an alert (0x15 0x03) in
# reply to its PING never sees it here, though the TLS of Java 17 sends one. A ClientHello that cannot be served gets
# its alert.
#
# Seen on 2026-11-30 (the server only has TLS 1.3; 46 is protocol_version):
#   PING: nothing; RESP: nothing; HTTP: nothing; TLS 1.2: 15 03 03 00 02 02 46
#
# Needs redis-server built with TLS, openssl and Python.
set -euo pipefail
command -v redis-server >/dev/null && command -v openssl >/dev/null ||
  { echo "redis-server or openssl is missing: apt-get install redis-server openssl" >&2; exit 77; }
work=$(mktemp -d)
redis=
stop() {
  if [ -n "$redis" ]; then
    kill "$redis" || true
    wait "$redis" || true
  fi
  rm -rf "$work"
}
trap stop EXIT
cd "$work"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost 2> openssl.log
# An address of its own on loopback, so that its port is free.
address=127.$((RANDOM % 200 + 1)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
cat > redis.conf <<CONF
bind $address
port 0
tls-port 6379
tls-cert-file cert.pem
tls-key-file key.pem
tls-auth-clients no
tls-ca-cert-file cert.pem
tls-protocols TLSv1.3
save ""
CONF
: > redis.log
timeout 60 redis-server redis.conf >> redis.log 2>&1 &
redis=$!
for _ in {1..100}; do
  if grep -q "Ready to accept" redis.log; then break; fi
  sleep 0.1
done
grep -q "Ready to accept" redis.log || { echo "Redis does not start:"; cat redis.log; exit 1; } >&2
timeout 30 python3 - "$address" <<'PYTHON'
import socket
import ssl
import sys


def hello():
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    sent = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()


def answer(question):
    got = b""
    with socket.create_connection((sys.argv[1], 6379), timeout=5) as peer:
        peer.sendall(question)
        try:
            while data := peer.recv(100):
                got += data
        except ConnectionResetError:
            pass
    return got.hex(" ") or "nothing"


questions = {
    "PING": b"PING\r\n",
    "RESP": b"*1\r\n$4\r\nPING\r\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS 1.2": hello(),
}
told = "; ".join(f"{name}: {answer(question)}" for name, question in questions.items())
print(told)
assert told == "PING: nothing; RESP: nothing; HTTP: nothing; TLS 1.2: 15 03 03 00 02 02 46", "it has changed"
PYTHON
