#!/usr/bin/env bash
# Kafka 4.3.0 accepts records with acks=all in a topic that has one replica and min.insync.replicas=2: the broker
# silently caps the minimum at the number of replicas. Its documentation says that such a record is refused
# (NotEnoughReplicas), and kafka-topics.sh still lists the partition as under its minimum. Kafka 3.6.2 refuses the
# record.
#
# Seen on 2026-11-30 with Java 17:
#   replicas 1, min.insync.replicas=2, listed under it: Partition: 0; sent 1, acked 1, end offset t:0:1
#
# Needs Java 17 and Maven. Runs for about half a minute.
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
PROPERTIES
java=(timeout 300 java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$work/jars/*")
tool() {
  "${java[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "$@"
}
topic() {
  tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$address:9092" "$@"
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

topic --create --topic t --partitions 1 --replication-factor 1 --config min.insync.replicas=2 > created
topic --describe --topic t > described
topic --describe --topic t --under-min-isr-partitions > under
tool org.apache.kafka.tools.VerifiableProducer --bootstrap-server "$address:9092" --topic t --acks -1 \
  --max-messages 1 > sent
end=$(tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$address:9092" --topic t)
replicas=$(grep -o 'ReplicationFactor: [0-9]*' described)
told="replicas ${replicas#*: }, $(grep -o 'min.insync.replicas=[0-9]*' described), "
told+="listed under it: $(grep -o 'Partition: [0-9]*' under || echo none); "
told+="sent $(grep -o '"sent":[0-9]*' sent | cut -d: -f2), "
told+="acked $(grep -o '"acked":[0-9]*' sent | cut -d: -f2), end offset $end"
echo "$told"
expected="replicas 1, min.insync.replicas=2, listed under it: Partition: 0; sent 1, acked 1, end offset t:0:1"
[ "$told" = "$expected" ] || { echo "it has changed" >&2; exit 1; }
