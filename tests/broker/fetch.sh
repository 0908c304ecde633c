#!/usr/bin/env bash
# Fetches Apache Kafka for the tests, once, into target/kafka/VERSION. Needs Maven and Java 17.
#
#   bash tests/broker/fetch.sh            the version that all tests run with
#   bash tests/broker/fetch.sh VERSION    another one, which TILEMILL_TEST_KAFKA_VERSION then chooses
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:-$(cat tests/broker/version.txt)}
folder=${CARGO_TARGET_DIR:-target}/kafka/$version
[ -d "$folder" ] && exit 0
mkdir -p "$(dirname "$folder")"
staged=$(mktemp -d "$(dirname "$folder")/fetching.XXXXXX")
trap 'rm -rf "$staged"' EXIT
mvn -q -B -ntp -f tests/broker/pom.xml "-Dkafka=$version" dependency:copy-dependencies \
  -DincludeScope=runtime "-DoutputDirectory=$(realpath "$staged")"
# Under its name only when it is whole.
mv -T "$staged" "$folder"
