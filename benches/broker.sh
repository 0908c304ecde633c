# For scripts that need Apache Kafka: sets `broker` to the address of a shared broker (TILEMILL_TEST_KAFKA) or else of
# a fresh one that ends with the script. Sets `python` to an interpreter that has librdkafka, and `work` to a directory
# that is deleted with the script.

work=$(mktemp -d)
leave() {
  [ -z "${kafka:-}" ] || { kill "$kafka" 2>/dev/null; wait "$kafka" 2>/dev/null || true; }
  rm -rf "$work"
}
trap leave EXIT

bash tests/cluster/broker/fetch.sh
fetched=${CARGO_TARGET_DIR:-target}/kafka
python=$fetched/client/bin/python
jars=$fetched/$(cat tests/cluster/broker/version.txt)
# Runs Java with the flags of kafka-run-class.sh. Replaces the calling shell.
kafka_java() {
  exec java -Xms1g -Xmx1g -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true -cp "$jars/*" "$@"
}

start_broker() {
  cat >"$work/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:29093
listeners=PLAINTEXT://127.0.0.1:29092,CONTROLLER://127.0.0.1:29093
advertised.listeners=PLAINTEXT://127.0.0.1:29092
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$work/kafka
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
EOF
  (kafka_java kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$work/server.properties" >/dev/null 2>&1)
  kafka_java kafka.Kafka "$work/server.properties" >"$work/kafka.log" 2>&1 &
  kafka=$!
  broker=127.0.0.1:29092
  until grep -q "Kafka Server started" "$work/kafka.log"; do
    kill -0 "$kafka" || { cat "$work/kafka.log" >&2; exit 1; }
    sleep 0.2
  done
}

if [ -n "${TILEMILL_TEST_KAFKA:-}" ]; then broker=$TILEMILL_TEST_KAFKA; else start_broker; fi
