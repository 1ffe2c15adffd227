#!/bin/bash
# Runs Celery's own t/integration tests against an external worker.
#
#   WORKER_CMD='path/to/worker --flags' ./run.sh [pytest arguments]
#   WORKER_CMD=genuine ./run.sh            # a genuine Celery worker, of which the baselines are made
#
# WORKER_CMD is run with `bash -c 'exec …'` and is given, in its environment:
#   BROKER_URL, RESULT_URL          redis://127.0.0.1:PORT/0 (both)
#   WORKER_NODENAME                 the node name it must use (suite@host)
#   WORKER_CONCURRENCY              1 (test_inspect::test_stats asks for it)
#   REDIS_HOST, REDIS_PORT          what the redis_echo and redis_count tasks write to (db 0)
#   SUITE_VENV, SUITE_SRC           the Python environment, and the folder that holds Celery's t/
# It must consume the queue `celery`, know the tasks of t/integration/tasks.py, and run until SIGTERM.
#
# Environment of this script:
#   SUITE_SERIES     which of ../requirements/celery-*.txt to judge with (default: 5.7)
#   SUITE_CACHE      keeps the environment and Celery's source package between runs (default: a folder where mktemp
#                    makes its own)
#   SUITE_OUT        where results go (default: a fresh mktemp folder, printed at the end)
#   SUITE_SLICE      only tests that a genuine worker passes in so many seconds (default: all)
#   SUITE_SHARD      K/N: only every Nth test, from the Kth on (default: all)
#   SUITE_TEST_TIMEOUT, SUITE_MAX_RERUNS, SUITE_START_TIMEOUT   see suite_plugin.py
#   REDIS_SERVER     the server (default: redis-server)
# Celery's code is downloaded at run time and never kept in this repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${WORKER_CMD:?set WORKER_CMD to the worker command, or to the word genuine}"
[ "$WORKER_CMD" = genuine ] && WORKER_CMD="$here/genuine/worker.sh"
series=${SUITE_SERIES:-5.7}
pinned="$here/../requirements/celery-$series.txt"
[ -e "$pinned" ] || { echo "there is no $pinned: SUITE_SERIES must be a series that we judge with" >&2; exit 2; }
version=$(sed -n 's/^celery==//p' "$pinned")
cache=${SUITE_CACHE:-$(dirname "$(mktemp -u)")/celery-suite-cache-$(id -u)}
out=${SUITE_OUT:-$(mktemp -d)}
mkdir -p "$cache" "$out"
venv="$cache/venv-$version"
src="$cache/src-$version"

# Several runs at once may share a cache: one prepares it, the others wait.
exec 9> "$cache/lock-$version"
flock 9
if ! cat "$pinned" "$here/requirements.txt" | cmp -s - "$venv/made-from.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" -q --disable-pip-version-check install -r "$pinned" -r "$here/requirements.txt"
  cat "$pinned" "$here/requirements.txt" > "$venv/made-from.txt"
fi
if [ ! -e "$src/.ready" ]; then
  rm -rf "$src"; mkdir -p "$src"
  tmp=$(mktemp -d)
  "$venv/bin/pip" -q --disable-pip-version-check download --no-binary :all: --no-deps -d "$tmp" "celery==$version"
  # Only t/: the tests must run on the installed Celery, not on the source package's tree.
  tar xzf "$tmp"/celery-*.tar.gz -C "$src" --strip-components=1 --wildcards '*/t/*' '*/pyproject.toml'
  rm -rf "$tmp"
  touch "$src/.ready"
fi
exec 9>&-

rdir=$(mktemp -d)
port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
"${REDIS_SERVER:-redis-server}" --bind 127.0.0.1 --port "$port" --save '' --appendonly no --dir "$rdir" \
  --daemonize no --logfile "$rdir/redis.log" &
redis_pid=$!
cleanup() { kill "$redis_pid" 2>/dev/null || true; wait "$redis_pid" 2>/dev/null || true; rm -rf "$rdir"; }
trap cleanup EXIT
for _ in $(seq 50); do
  python3 - "$port" <<'PY' && break || sleep 0.1
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1); s.sendall(b'PING\r\n'); assert s.recv(7) == b'+PONG\r\n'
PY
done

export BROKER_URL="redis://127.0.0.1:$port/0" RESULT_URL="redis://127.0.0.1:$port/0"
export TEST_BROKER="$BROKER_URL" TEST_BACKEND="$RESULT_URL"
export REDIS_HOST=127.0.0.1 REDIS_PORT="$port"
export WORKER_CMD WORKER_NODENAME="${WORKER_NODENAME:-suite@$(hostname)}" WORKER_CONCURRENCY="${WORKER_CONCURRENCY:-1}"
export SUITE_VENV="$venv" SUITE_SRC="$src" SUITE_WORKER_CWD="$PWD"
export SUITE_WORKER_LOG="$out/worker.log" SUITE_RESULTS="$out/results.jsonl"
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
: > "$SUITE_RESULTS"; : > "$SUITE_WORKER_LOG"

cd "$src"
files=()
for f in test_inspect test_tasks test_worker test_group_chains test_redis_backend test_beat test_canvas test_dedup_chain_dispatch; do
  [ -e "t/integration/$f.py" ] && files+=("t/integration/$f.py")
done
case " $* " in *" t/integration/"*) files=();; esac
set +e
"$venv/bin/python" -P -m pytest -p suite_plugin -p celery.contrib.pytest -p no:cacheprovider -o addopts= -o xfail_strict=false \
  --rootdir "$src" "${files[@]}" -q --no-header --tb=short -rfE "$@" > "$out/pytest.log" 2>&1
code=$?
set -e
tail -n 3 "$out/pytest.log"
"$venv/bin/python" "$here/score.py" "$series" "$out/results.jsonl" || true
echo "results: $out (pytest exit $code)"
exit $code
