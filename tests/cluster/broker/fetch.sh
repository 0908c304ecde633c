#!/usr/bin/env bash
# Fetches Apache Kafka for the tests, once, into target/kafka/VERSION, and beside it another client:
# librdkafka in a Python environment. Needs Maven, Java 17 and python3-venv.
#
#   bash tests/cluster/broker/fetch.sh            the version that all tests run with
#   bash tests/cluster/broker/fetch.sh VERSION    another one, which TILEMILL_TEST_KAFKA_VERSION then chooses
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=${1:-$(cat tests/cluster/broker/version.txt)}
client=2.16.1
folder=${CARGO_TARGET_DIR:-target}/kafka
mkdir -p "$folder"
folder=$(realpath "$folder")
staged=$(mktemp -d -p "$folder")
trap 'rm -rf "$staged"' EXIT

# Both under their names only when they are whole.
if [ ! -d "$folder/$version" ]; then
  mvn -q -B -ntp -f tests/cluster/broker/pom.xml "-Dkafka=$version" dependency:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$staged/jars"
  # Older versions bring a logger of their own; the tests wait for what slf4j-simple prints.
  rm -f "$staged"/jars/slf4j-reload4j-*.jar
  mv -T "$staged/jars" "$folder/$version"
fi
if [ ! -d "$folder/client-$client" ]; then
  python3 -m venv "$staged/venv"
  "$staged/venv/bin/pip" install --quiet "confluent-kafka==$client"
  mv -T "$staged/venv" "$folder/client-$client"
fi
ln -sfn "client-$client" "$folder/client"
