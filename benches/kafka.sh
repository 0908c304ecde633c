#!/usr/bin/env bash
# Throughput of records of 786 kB through one broker, by tilemill's adapter and by librdkafka in turn, and the memory of
# a consumer of 32 partitions that is slower than the broker. Installs Kafka as the tests do.
#
#   benches/kafka.sh             1000 records, 3 runs of each
#   COUNT=4000 RUNS=5 benches/kafka.sh
#   BEFORE=DIRECTORY benches/kafka.sh   also by the adapter in that checkout of an earlier commit
set -euo pipefail
cd "$(dirname "$0")/.."
count=${COUNT:-1000} runs=${RUNS:-3}

build() { # Prints the path of the program.
  cargo build --release --locked --bench kafka --quiet
  cargo build --release --locked --bench kafka --message-format json 2>/dev/null |
    grep -o '"executable":"[^"]*/kafka-[^"]*"' | cut -d'"' -f4
}
ours=$(build)
contenders=(ours theirs)
[ -z "${BEFORE:-}" ] || { before=$(cd "$BEFORE" && build) && contenders+=(before); }
source benches/broker.sh
theirs() { "$python" benches/kafka_other.py "$@"; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

for run in $(seq "$runs"); do
  for who in "${contenders[@]}"; do
    # Each contender reads what it wrote, and nothing twice.
    "$ours" create "$broker" "$who-$run" 8
    produce=(produce "$broker" "$who-$run" "$count") consume=(consume "$broker" "$who-$run" "bench-$run" "$count")
    program=${!who:-theirs} # The path in the variable of that name, or the function above.
    "$program" "${produce[@]}" >>"$work/produce-$who"
    "$program" "${consume[@]}" | sed -n 1p >>"$work/consume-$who"
  done
  # Each goes first equally often: records of the previous one are still being written to disk.
  contenders=("${contenders[@]:1}" "${contenders[0]}")
done
"$ours" create "$broker" many 32
"$ours" produce "$broker" many "$count" >/dev/null
peak=$("$ours" linger "$broker" many many "$count" | tail -1)

echo "Processor: $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores, which the broker shares."
echo "$count records of 786,432 bytes, 8 partitions, acks=all. Median of $runs runs."
echo
echo "| | tilemill MB/s | librdkafka MB/s | ratio |${BEFORE:+ before MB/s | now ÷ before |}"
echo "|---|---|---|---|${BEFORE:+---|---|}"
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
for what in produce consume; do
  a=$(median <"$work/$what-ours") b=$(median <"$work/$what-theirs")
  row="| $what | $a | $b | $(ratio "$a" "$b") |"
  [ -z "${BEFORE:-}" ] || { c=$(median <"$work/$what-before") && row="$row $c | $(ratio "$a" "$c") |"; }
  echo "$row"
done
echo
echo "A consumer of 32 partitions that takes 5 ms for each record: at most $peak MB resident."
