#!/usr/bin/env bash
# Records of 786 kB through one broker, by tilemill's adapter and by librdkafka in turn; and the memory of
# a consumer of 32 partitions that is slower than the broker. Installs Kafka as the tests do.
#
#   benches/kafka.sh             1000 records, 3 runs of each
#   COUNT=4000 RUNS=5 benches/kafka.sh
set -euo pipefail
cd "$(dirname "$0")/.."
count=${COUNT:-1000} runs=${RUNS:-3}

cargo build --release --locked --bench kafka --quiet
ours=$(cargo build --release --locked --bench kafka --message-format json 2>/dev/null |
  grep -o '"executable":"[^"]*/kafka-[^"]*"' | cut -d'"' -f4)
source benches/broker.sh
theirs() { "$python" benches/kafka_other.py "$@"; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

for run in $(seq 1 "$runs"); do
  for who in ours theirs; do
    "$ours" create "$broker" "$who-$run" 8
    if [ "$who" = ours ]; then
      "$ours" produce "$broker" "$who-$run" "$count" >>"$work/produce-ours"
    else
      theirs produce "$broker" "$who-$run" "$count" >>"$work/produce-theirs"
    fi
  done
  # Each reads what it wrote, and nobody twice.
  "$ours" consume "$broker" "ours-$run" "bench-$run" "$count" | sed -n 1p >>"$work/consume-ours"
  theirs consume "$broker" "theirs-$run" "bench-other-$run" "$count" >>"$work/consume-theirs"
done
"$ours" create "$broker" many 32
"$ours" produce "$broker" many "$count" >/dev/null
peak=$("$ours" linger "$broker" many many "$count" | tail -1)

echo "Processor: $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores, which the broker shares."
echo "$count records of 786,432 bytes, 8 partitions, acks=all. Median of $runs runs."
echo
echo "| | tilemill MB/s | librdkafka MB/s | ratio |"
echo "|---|---|---|---|"
for what in produce consume; do
  a=$(median <"$work/$what-ours") b=$(median <"$work/$what-theirs")
  echo "| $what | $a | $b | $(awk "BEGIN { printf \"%.2f\", $a / $b }") |"
done
echo
echo "A consumer of 32 partitions that takes 5 ms for each record: at most $peak MB resident."
