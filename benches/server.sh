# For the scripts beside this: pictures, and a server for each script. Needs libvips-tools and curl.
# With MILL=cluster the server belongs to a mill of several processes on this machine, over their own Apache Kafka and
# Redis, with WORKERS workers (default 2). TILEMILL names a `tilemill` of another build.

source benches/need.sh
need "libvips-tools curl" vips curl
[ -n "${TILEMILL:-}" ] || cargo build --release --locked --quiet
tilemill=${TILEMILL:-$PWD/${CARGO_TARGET_DIR:-target}/release/tilemill}
if [ "${MILL:-}" = cluster ]; then
  source benches/broker.sh
else
  work=$(mktemp -d)
  leave() { rm -rf "$work"; }
fi
server=
others=()
end_mill() {
  local process
  for process in $server "${others[@]}"; do
    kill -KILL "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
}
trap 'end_mill; leave' EXIT

now() { date +%s.%N; }

source benches/pictures.sh

# Replaces the calling shell, so that `$!` is the process itself.
mill() { TILEMILL_DATA_DIR="$work/data" exec "$tilemill" --config /dev/null "$@"; }

# Starts a server on a free port, and the roles of a cluster if it is one; sets $server and $url.
start_server() {
  [ "${MILL:-}" != cluster ] || start_services
  serve
}

# The same over services that run.
serve() {
  : >"$work/log"
  mill serve --listen 127.0.0.1:0 2>"$work/log" &
  server=$!
  until url=$(grep -o 'http://127.*' "$work/log"); do
    kill -0 "$server" || { cat "$work/log" >&2; exit 1; }
    sleep 0.05
  done
  [ "${MILL:-}" != cluster ] || start_roles
}

start_services() {
  redis-server --save '' --bind 127.0.0.1 --port 26379 >"$work/redis.log" &
  others+=($!)
  export TILEMILL_KAFKA__BROKERS=$broker TILEMILL_REDIS__ADDRESS=127.0.0.1:26379
  (mill topics create >/dev/null)
}

start_roles() {
  local worker
  mill collect 2>"$work/collect.log" & others+=($!)
  mill monitor 2>"$work/monitor.log" & others+=($!)
  for worker in $(seq "${WORKERS:-2}"); do
    mill work --id "worker-$worker" 2>"$work/worker-$worker.log" & others+=($!)
  done
  until [ "$(curl -sS "$url/api/workers" | grep -o '"state":"live"' | wc -l)" = "${WORKERS:-2}" ]; do sleep 0.1; done
}

submit() { # IMAGE FIELD… prints the id of the job
  local image=$1 fields=()
  shift
  for field in "$@"; do fields+=(-F "$field"); done
  curl -sS --fail-with-body -F "image=@$image" "${fields[@]}" "$url/api/jobs" |
    grep -o '"id":"[0-9a-f]*"' | head -n 1 | cut -d'"' -f4
}

# Follows a job's events until it is complete; fails if it ends otherwise.
completes() { # ID
  local line stream ended= events
  exec {events}< <(exec curl -sN "$url/api/events?job=$1")
  stream=$!
  while [ -z "$ended" ] && read -r line <&"$events"; do
    case $line in
      'data: {"id":'*'"status":"complete"'*) ended=well ;;
      'data: {"id":'*'"status":"'[fc]a*) ended=badly ;;
    esac
  done
  # Not in a pipe, which would stay open until the server sends something more.
  kill "$stream" 2>/dev/null || true
  exec {events}<&-
  [ "$ended" = well ] || { echo "job $1 did not complete" >&2; return 1; }
}

number() { # ID KEY
  curl -sS "$url/api/jobs/$1" | grep -o "\"$2\":[0-9]*" | cut -d: -f2
}

machine() {
  echo "Processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores."
}
