#!/usr/bin/env bash
# Kafka 4.3.0 answers a JoinGroup without a member id with MEMBER_ID_REQUIRED (KIP-394), but only after all other
# checks: the right to read the group, the length of the session, an assignor that the members share. So a client
# outside a group can ask whether the group would accept it, without a rebalance. But at the next rebalance, all members
# wait for the id that was given, until its session ends. A LeaveGroup with that id prevents the wait.
#
# Seen on 2026-11-30 with Java 17 (a group of the classic protocol with one member, asked with a session of 10 s):
#   denied: GROUP_AUTHORIZATION_FAILED, no id
#   session of 1 ms: INVALID_SESSION_TIMEOUT, no id
#   other assignor: INCONSISTENT_GROUP_PROTOCOL, no id
#   all right: MEMBER_ID_REQUIRED, an id
#   heartbeat of the member in generation 1: NONE
#   it joins again: NONE, but waits for the session of the id
#   it joins again after the id has left: NONE, at once
#
# Needs Java 17, Maven and Python. Runs for about half a minute.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null ||
  { echo "Java or Maven is missing: apt-get install openjdk-17-jdk maven" >&2; exit 77; }
work=$(mktemp -d)
broker=
stop() {
  if [ -n "$broker" ]; then
    kill "$broker" || true
    wait "$broker" || true
  fi
  rm -rf "$work"
}
trap stop EXIT
cd "$work"
cat > pom.xml <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>0</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.0</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.3.0</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B -ntp dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$work/jars"

# An address of its own on loopback, so that its ports are free.
address=127.$((RANDOM % 200 + 1)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
cat > server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$address:9093
listeners=PLAINTEXT://$address:9092,CONTROLLER://$address:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$work/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
PROPERTIES
java=(timeout 300 java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$work/jars/*")
tool() {
  "${java[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "$@"
}
tool kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c server.properties > formatted
: > broker.log
"${java[@]}" kafka.Kafka server.properties >> broker.log 2>&1 &
broker=$!
for _ in {1..120}; do
  if grep -q "Kafka Server started" broker.log; then break; fi
  sleep 0.5
done
grep -q "Kafka Server started" broker.log || { echo "the broker does not start:"; tail broker.log; exit 1; } >&2
tool org.apache.kafka.tools.AclCommand --bootstrap-server "$address:9092" --add --deny-principal User:ANONYMOUS \
  --operation Read --group denied > acl

timeout 60 python3 - "$address" <<'PYTHON'
import socket
import struct
import sys
import time

FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 10, 11, 12, 13, 14
SESSION = 10000
CODES = {0: "NONE", 23: "INCONSISTENT_GROUP_PROTOCOL", 26: "INVALID_SESSION_TIMEOUT", 27: "REBALANCE_IN_PROGRESS",
         30: "GROUP_AUTHORIZATION_FAILED", 79: "MEMBER_ID_REQUIRED"}
broker = socket.create_connection((sys.argv[1], 9092), timeout=20)


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


def exact(length):
    data = b""
    while len(data) < length:
        data += broker.recv(length - len(data)) or sys.exit("the broker hangs up")
    return data


def ask(key, version, body):
    request = struct.pack(">2hi", key, version, 1) + text("finding") + body
    broker.sendall(struct.pack(">i", len(request)) + request)
    return exact(struct.unpack(">i", exact(4))[0])[4:]


def join(group, member="", session=30000, assignor="range"):
    """The code, the generation and the member id of the response."""
    body = text(group) + struct.pack(">2i", session, 30000) + text(member) + text("consumer")
    body += struct.pack(">i", 1) + text(assignor) + struct.pack(">i", 6) + bytes(6)
    answer = ask(JOIN_GROUP, 4, body)
    code, generation = struct.unpack_from(">hi", answer, 4)
    at, words = 10, []
    for _ in ("assignor", "leader", "member"):
        length = max(struct.unpack_from(">h", answer, at)[0], 0)
        words.append(answer[at + 2:at + 2 + length].decode())
        at += 2 + length
    return CODES.get(code, code), generation, words[2]


def code_of(answer):
    code, = struct.unpack_from(">h", answer)
    return CODES.get(code, code)


def joined_again(expected):
    """Makes the member, which is the leader, join and assign."""
    began = time.monotonic()
    code, generation, _ = join("group", member)
    waited = time.monotonic() - began
    assert generation == expected, generation
    assigned = struct.pack(">i", 1) + text(member) + struct.pack(">i", 0)
    sync = text("group") + struct.pack(">i", generation) + text(member) + assigned
    assert code_of(ask(SYNC_GROUP, 0, sync)) == "NONE"
    return f"{code}, at once" if waited * 1000 < SESSION / 2 else f"{code}, but waits for the session of the id"


for _ in range(100):
    if code_of(ask(FIND_COORDINATOR, 0, text("group"))) == "NONE" and join("group", session=1)[0] in CODES.values():
        break
    time.sleep(0.2)
member = join("group")[2]
joined_again(1)

told = []
for name, asked in {
    "denied": {"group": "denied"},
    "session of 1 ms": {"group": "group", "session": 1},
    "other assignor": {"group": "group", "assignor": "other"},
    "all right": {"group": "group", "session": SESSION},
}.items():
    code, _, given = join(**asked)
    told.append(f"{name}: {code}, {'an id' if given else 'no id'}")
beat = code_of(ask(HEARTBEAT, 0, text("group") + struct.pack(">i", 1) + text(member)))
told.append(f"heartbeat of the member in generation 1: {beat}")
told.append(f"it joins again: {joined_again(2)}")
_, _, given = join("group", session=SESSION)
assert code_of(ask(LEAVE_GROUP, 0, text("group") + text(given))) == "NONE"
told.append(f"it joins again after the id has left: {joined_again(3)}")
print(*told, sep="\n")
assert told == [
    "denied: GROUP_AUTHORIZATION_FAILED, no id",
    "session of 1 ms: INVALID_SESSION_TIMEOUT, no id",
    "other assignor: INCONSISTENT_GROUP_PROTOCOL, no id",
    "all right: MEMBER_ID_REQUIRED, an id",
    "heartbeat of the member in generation 1: NONE",
    "it joins again: NONE, but waits for the session of the id",
    "it joins again after the id has left: NONE, at once",
], "it has changed"
PYTHON
