#!/bin/bash
# Records the traces of this folder anew, with memalloc_run as it was built:
#   tools/bazel build //tools:memalloc_run
#   tools/replay/traces/record.sh [FOLDER]
# Needs sqlite3, redis-server and redis-tools.

set -euo pipefail
readonly HERE=$(cd "$(dirname "$0")" && pwd)
readonly ROOT=$(cd "$HERE/../../.." && pwd)
readonly RUN=$ROOT/bazel-bin/tools/run/memalloc_run
readonly OUT=$(realpath "${1:-$HERE}")
SCRATCH=$(mktemp -d)
readonly SCRATCH
trap 'rm -rf "$SCRATCH"' EXIT
cd "$SCRATCH"

# A table of 9,000 rows with indexes; joins, updates, deletes, vacuum.
"$RUN" --trace="$SCRATCH/sqlite3.trace" sqlite3 :memory: \
  -cmd '.parameter set :n 9000' \
  ".read $ROOT/tools/bench/programs/work.sql"

# Small and large values, lists, hashes and sorted sets; then the background
# thread frees what the main one allocated, while that goes on.
"$RUN" --trace="$SCRATCH/redis.trace" redis-server --port 0 --save '' \
  --unixsocket "$SCRATCH/socket" --io-threads 2 --io-threads-do-reads yes \
  >redis.log &
readonly SERVER=$!
until [[ -S socket ]]; do sleep 0.1; done
redis-benchmark -s socket -q -c 10 -t set,lpush,hset,zadd -n 900 -r 500 -d 100 \
  >/dev/null
redis-cli -s socket flushall async
redis-benchmark -s socket -q -c 10 -t set,get -n 900 -r 500 -d 4000 \
  >/dev/null
redis-cli -s socket shutdown nosave
wait "$SERVER"

for trace in sqlite3 redis; do
  gzip --best --no-name --stdout "$trace.trace" >"$OUT/$trace.trace.gz"
done
ls -l "$OUT"/*.trace.gz
