"""pytest plugin: run celery's own t/integration suite against an EXTERNAL worker.

Loaded with ``-p suite_plugin`` (before celery's conftest.py is imported).

What it does
------------
* replaces ``celery.contrib.pytest.celery_session_worker`` (which celery's
  conftest imports by name) with a fixture that starts ``$WORKER_CMD`` as a
  separate process and waits until it answers ``ping`` and runs
  ``celery.ping``;
* makes ``anon_nodename()`` return ``$WORKER_NODENAME`` so that the node name
  test_inspect.py expects is the one the external worker was told to use;
* adapts the tests that peek into the worker through in-process Python state
  (see ADAPTATIONS below) and deselects those that cannot be adapted
  (``not-applicable.txt``);
* writes one JSON line per finished test to ``$SUITE_RESULTS``.

ADAPTATIONS (each replaces an in-process look with a look at the wire)
* ``celery.signals.task_received``: fired in the test process for every task
  message that any process LPUSHes to the broker, seen through redis MONITOR
  and turned into a genuine ``celery.worker.request.Request``.  ``.get()`` of
  results is followed by a barrier so the tap has seen everything that was
  pushed before the result came.
* ``celery.worker.state.successful_requests``: filled from ``task-succeeded``
  events of the external worker (``control.enable_events`` is used first).
* ``celery.worker.state.revoked_stamps.clear()``: restarts the worker.
* ``os.getpid()`` in test_stats: the pid that ``stats`` reports, provided that
  it belongs to the process tree of ``$WORKER_CMD``.
"""
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NODENAME = os.environ['WORKER_NODENAME']
BROKER_URL = os.environ['TEST_BROKER']
RESULT_URL = os.environ['TEST_BACKEND']
WORKER_CMD = os.environ['WORKER_CMD']
WORKER_LOG = os.environ['SUITE_WORKER_LOG']
RESULTS = os.environ['SUITE_RESULTS']
START_TIMEOUT = float(os.environ.get('SUITE_START_TIMEOUT', 60))
#: upper bound put on every test's own pytest-timeout mark (celery uses 300 s)
MAX_TIMEOUT = float(os.environ.get('SUITE_TEST_TIMEOUT', 300))
#: only tests that a genuine worker passes in so many seconds (default: all)
SLICE = float(os.environ.get('SUITE_SLICE', 'inf'))
#: `K/N`: only every Nth test, from the Kth on
SHARD, _, SHARDS = os.environ.get('SUITE_SHARD', '1/1').partition('/')
#: upper bound put on the number of reruns of celery's ``flaky`` marks (celery: 5)
MAX_RERUNS = int(os.environ.get('SUITE_MAX_RERUNS', 5))

# celery 5.5 imports it for the fixture `subtests`, which pytest itself has had since 9.0
sys.modules.setdefault('pytest_subtests', types.ModuleType('pytest_subtests'))

# --- node name: must be patched before any t.integration module is imported
import celery.utils.nodenames as _nodenames  # noqa: E402

_nodenames.anon_nodename = lambda hostname=None, prefix='gen': NODENAME

import celery.contrib.pytest as _cp  # noqa: E402
import kombu.transport.redis as _kredis  # noqa: E402


# ---------------------------------------------------------------- the worker
class ExternalWorker:
    """Supervises the foreign worker process."""

    def __init__(self):
        self.proc = None
        self.restarts = 0
        self.hostname = NODENAME

    def start(self):
        log = open(WORKER_LOG, 'ab')
        log.write(f'--- start {time.strftime("%H:%M:%S")}\n'.encode())
        log.flush()
        env = dict(os.environ)
        env.pop('PYTEST_CURRENT_TEST', None)
        self.proc = subprocess.Popen(
            ['/bin/bash', '-c', 'exec ' + WORKER_CMD], env=env,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=os.environ.get('SUITE_WORKER_CWD') or None)
        log.close()

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, grace=20):
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        # the session was made by us: sweep whatever is left in its group
        try:
            os.killpg(self.proc.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()

    def wait_ready(self, app):
        from celery.contrib.testing.tasks import ping
        from celery.result import allow_join_result
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if not self.alive():
                raise RuntimeError(
                    f'WORKER_CMD exited with {self.proc.returncode} before it was ready; '
                    f'see {WORKER_LOG}')
            reply = app.control.ping(destination=[NODENAME], timeout=1.0)
            if reply:
                break
        else:
            raise RuntimeError(f'worker {NODENAME} did not answer ping in {START_TIMEOUT}s')
        with allow_join_result():
            assert ping.delay().get(timeout=max(5, deadline - time.monotonic())) == 'pong'

    def restart(self, app, purge=False):
        self.restarts += 1
        self.stop()
        if purge:
            app.control.purge()
        self.start()
        self.wait_ready(app)

    def pids(self):
        """The pids of the worker's process tree."""
        children = {}
        for d in Path('/proc').iterdir():
            if d.name.isdigit():
                try:
                    stat = (d / 'stat').read_text()
                except OSError:
                    continue
                ppid = int(stat.rpartition(')')[2].split()[1])
                children.setdefault(ppid, []).append(int(d.name))
        todo, seen = [self.proc.pid], set()
        while todo:
            pid = todo.pop()
            if pid not in seen:
                seen.add(pid)
                todo += children.get(pid, [])
        return seen


WORKER = ExternalWorker()
SESSION_APP = None


@pytest.fixture(scope='session')
def celery_session_worker(request, celery_session_app, celery_includes, celery_class_tasks):
    global SESSION_APP
    from celery.result import _set_task_join_will_block
    app = SESSION_APP = celery_session_app
    for module in celery_includes:
        app.loader.import_task_module(module)
    for class_task in celery_class_tasks:
        app.register_task(class_task)
    app.finalize()
    app.set_current()
    app.set_default()
    _set_task_join_will_block(False)
    WORKER.start()
    try:
        WORKER.wait_ready(app)
        yield WORKER
    finally:
        WORKER.stop()


_cp.celery_session_worker = celery_session_worker


# --------------------------------------------- count what the client publishes
class Counter:
    n = 0


def _counting(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        Counter.n += 1
        return method(self, *args, **kwargs)
    return wrapper


_kredis.Channel._put = _counting(_kredis.Channel._put)
_kredis.Channel._put_fanout = _counting(_kredis.Channel._put_fanout)


# ------------------------------------------------------------- the broker tap
def _unescape(quoted):
    """Undo redis' sdscatrepr() quoting of one MONITOR argument."""
    out, i = bytearray(), 0
    simple = {ord('n'): 10, ord('r'): 13, ord('t'): 9, ord('a'): 7, ord('b'): 8}
    while i < len(quoted):
        c = quoted[i]
        if c == 0x5C and i + 1 < len(quoted):
            nxt = quoted[i + 1]
            if nxt == ord('x'):
                out.append(int(quoted[i + 2:i + 4], 16))
                i += 4
                continue
            out.append(simple.get(nxt, nxt))
            i += 2
            continue
        out.append(c)
        i += 1
    return bytes(out)


def _split_monitor(line):
    """b'12.3 [0 127.0.0.1:1] "LPUSH" "k" "v"' -> [b'LPUSH', b'k', b'v']"""
    args, i = [], line.find(b'] "')
    if i < 0:
        return args
    i += 2
    while i < len(line):
        if line[i] != 0x22:
            i += 1
            continue
        j = i + 1
        while line[j] != 0x22:
            j += 2 if line[j] == 0x5C else 1
        args.append(_unescape(line[i + 1:j]))
        i = j + 1
    return args


class BrokerTap(threading.Thread):
    """Fires task_received for every task message pushed to the `celery` list."""

    def __init__(self, app):
        super().__init__(daemon=True, name='broker-tap')
        import redis
        self.app = app
        self.client = redis.Redis.from_url(BROKER_URL, socket_timeout=None)
        self.conn = self.client.connection_pool.make_connection()
        self.marks = {}
        self.stopping = False
        self.conn.send_command('MONITOR')
        self.conn.read_response()

    def _readline(self):
        return self.conn.read_response(disable_decoding=True)

    def run(self):
        from celery.signals import task_received
        while not self.stopping:
            try:
                line = self._readline()
            except Exception:
                return
            args = _split_monitor(line)
            if not args:
                continue
            cmd = args[0].upper()
            if cmd == b'ECHO' and args[1] in self.marks:
                self.marks[args[1]].set()
            elif cmd in (b'LPUSH', b'RPUSH') and args[1].split(b'\x06\x16')[0] == b'celery':
                for raw in args[2:]:
                    try:
                        req = self.make_request(raw)
                    except Exception as exc:
                        print(f'broker-tap: cannot read {raw[:200]!r}: {exc!r}', file=sys.stderr)
                        continue
                    if req is not None:
                        # a worker receives it a moment after it was sent: a test may get ready in between
                        time.sleep(0.02)
                        task_received.send(sender=WORKER, request=req)

    def make_request(self, raw):
        from celery.worker.request import Request
        from kombu.transport.redis import Channel
        payload = json.loads(raw)
        with self.app.connection_for_read() as conn:
            msg = Channel.Message(payload, channel=conn.default_channel)
        if 'task' not in (msg.headers or {}):
            return None
        task = self.app.tasks.get(msg.headers['task'])
        if task is None:
            return None
        return Request(msg, app=self.app, hostname=NODENAME, task=task,
                       decoded=False, utc=True)

    def barrier(self, timeout=5):
        mark = uuid.uuid4().hex.encode()
        self.marks[mark] = ev = threading.Event()
        self.client.echo(mark)
        ev.wait(timeout)
        del self.marks[mark]

    def stop(self):
        self.stopping = True
        self.client.echo('bye')
        self.join(5)
        self.conn.disconnect()


@pytest.fixture
def _broker_tap(app, celery_session_worker, monkeypatch):
    from celery.result import AsyncResult, ResultSet
    tap = BrokerTap(app)
    tap.start()

    def wrap(cls):
        orig = cls.get

        def get(self, *args, **kwargs):
            try:
                return orig(self, *args, **kwargs)
            finally:
                tap.barrier()
        monkeypatch.setattr(cls, 'get', get)
    wrap(AsyncResult)
    wrap(ResultSet)
    yield tap
    from celery.signals import task_received
    tap.stop()
    # handlers made inside a test are weakly connected closures; drop leftovers
    task_received.receivers = []
    task_received.sender_receivers_cache.clear()


# ----------------------------------------------------- success seen by events
class _SucceededSet:
    def __init__(self):
        self.ids = set()

    def __contains__(self, task_id):
        return task_id in self.ids


@pytest.fixture
def _succeeded_by_events(app, celery_session_worker, monkeypatch):
    from celery.worker import state as worker_state
    seen = _SucceededSet()
    monkeypatch.setattr(worker_state, 'successful_requests', seen)
    ready = threading.Event()
    conn = app.connection_for_read()
    recv = app.events.Receiver(conn, handlers={
        'task-succeeded': lambda ev: seen.ids.add(ev['uuid'])})
    recv.on_consume_ready = lambda *args, **kwargs: ready.set()
    thread = threading.Thread(target=recv.capture, kwargs={'wakeup': False},
                              daemon=True, name='event-receiver')
    thread.start()
    assert ready.wait(5)
    reply = app.control.enable_events(reply=True, timeout=3, destination=[NODENAME])
    assert reply, 'the worker did not answer enable_events'
    yield seen
    app.control.disable_events(reply=True, timeout=3, destination=[NODENAME])
    recv.should_stop = True
    thread.join(5)
    conn.release()


# -------------------------------------------------- clearing of revoked stamps
class _RevokedStamps(dict):
    def clear(self):
        # the tests purge the queue themselves before they go on; doing it here too keeps the
        # restarted worker's first ping from waiting behind the sleeping tasks they left
        super().clear()
        WORKER.restart(SESSION_APP, purge=True)


@pytest.fixture
def _restart_clears_stamps(celery_session_worker, monkeypatch):
    from celery.worker import state as worker_state
    monkeypatch.setattr(worker_state, 'revoked_stamps', _RevokedStamps())
    yield
    WORKER.restart(SESSION_APP, purge=True)


# --------------------------------------------------------------------- pid
@pytest.fixture
def _worker_pid(app, celery_session_worker, monkeypatch):
    import t.integration.test_inspect as mod
    stats = app.control.inspect(destination=[NODENAME], timeout=3).stats()
    pid = stats[NODENAME]['pid']
    assert pid in WORKER.pids(), f'stats.pid {pid} is not in the tree of WORKER_CMD'
    monkeypatch.setattr(mod, 'os', types.SimpleNamespace(getpid=lambda: pid))


# ------------------------------------------------------------- the selection
def _load_rules():
    """not-applicable.txt: '<glob of test id>  # reason' a line."""
    rules = []
    for line in (HERE / 'not-applicable.txt').read_text().splitlines():
        line = line.strip()
        if line and not line.startswith('#'):
            pattern, _, reason = line.partition('  # ')
            rules.append((pattern.strip(), reason.strip()))
    return rules


def _load_adapt():
    rules = []
    for line in (HERE / 'adapted.txt').read_text().splitlines():
        line = line.strip()
        if line and not line.startswith('#'):
            fixture, pattern = line.split(None, 1)
            rules.append((fixture, pattern.partition('  # ')[0].strip()))
    return rules


def _seconds():
    """How long a genuine worker of this series takes for each test."""
    import celery
    series = '.'.join(celery.__version__.split('.')[:2])
    path = HERE / 'baseline' / f'{series}.tsv'
    if SLICE == float('inf') or not path.exists():
        return {}
    rows = (line.split('\t') for line in path.read_text().splitlines()[1:])
    return {row[0]: float(row[4]) for row in rows}


def _match(nodeid, pattern):
    """Prefix match on the part of the node id after t/integration/."""
    nodeid = nodeid.split('t/integration/')[-1]
    return nodeid == pattern or nodeid.startswith((pattern + '[', pattern + '::'))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    rules, adapt, seconds = _load_rules(), _load_adapt(), _seconds()
    place = 0
    keep, drop = [], []
    for item in items:
        if any(_match(item.nodeid, p) for p, _ in rules):
            drop.append(item)
            continue
        if seconds and seconds.get(item.nodeid.split('t/integration/')[-1], SLICE + 1) > SLICE:
            drop.append(item)
            continue
        place += 1
        if place % int(SHARDS) != int(SHARD) % int(SHARDS):
            drop.append(item)
            continue
        for fixture, pattern in adapt:
            if _match(item.nodeid, pattern):
                item.fixturenames.append(fixture)
        new = []
        for mark in item.own_markers:
            if mark.name == 'timeout':
                value = mark.kwargs.get('timeout', mark.args[0] if mark.args else 300)
                value = min(value, MAX_TIMEOUT)
                if '_restart_clears_stamps' in item.fixturenames:
                    value += 100    # the restarts of the worker are the harness's, not the test's
                mark = pytest.mark.timeout(value).mark
            elif mark.name == 'flaky':
                kwargs = {k: v for k, v in mark.kwargs.items() if k != 'cause'}
                kwargs['reruns'] = min(kwargs.get('reruns', 1), MAX_RERUNS)
                mark = pytest.mark.flaky(**kwargs).mark
            new.append(mark)
        item.own_markers[:] = new
        if not any(m.name == 'timeout' for m in item.iter_markers()):
            item.add_marker(pytest.mark.timeout(MAX_TIMEOUT))
        if item.get_closest_marker('flaky') is None:
            # On a loaded machine Celery's client now and then waits for a result that is stored (as in celery#4039), and
            # some tests pass only if the worker is not done before they look. One in a run is let pass by the score.
            item.add_marker(pytest.mark.flaky(reruns=min(1, MAX_RERUNS)))
            SECOND_CHANCES.add(item.nodeid)
        keep.append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
    items[:] = keep


# ------------------------------------------------------------------ recording
_current = {}
#: tests that Celery itself does not run again
SECOND_CHANCES = set()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    _current.clear()
    _current.update(attempts=0, outcomes={}, published=0, t0=time.monotonic())
    yield
    o = _current['outcomes']
    if o.get('setup') in ('failed',):
        outcome = 'error'
    elif o.get('setup') == 'skipped':
        outcome = 'xfailed' if _current.get('xfail') else 'skipped'
    elif o.get('call') == 'failed':
        outcome = 'failed'
    elif o.get('call') == 'skipped':
        outcome = 'xfailed' if _current.get('xfail') else 'skipped'
    elif o.get('call') == 'passed':
        outcome = 'passed'
    else:
        outcome = 'error'
    rec = {
        'id': item.nodeid.split('t/integration/')[-1], 'outcome': outcome,
        'attempts': _current['attempts'], 'teardown': o.get('teardown'),
        'published': _current['published'],
        'seconds': round(time.monotonic() - _current['t0'], 2),
        'why': _current.get('why', ''), 'restarts': WORKER.restarts,
    }
    if item.nodeid in SECOND_CHANCES and rec['attempts'] > 1:
        rec['second_chance'] = True
    if nextitem is not None and WORKER.proc is not None and not WORKER.alive():
        rec['worker_died'] = WORKER.proc.returncode
        try:
            WORKER.restart(SESSION_APP)
        except Exception as exc:
            rec['worker_restart'] = repr(exc)
    with open(RESULTS, 'a') as fh:
        fh.write(json.dumps(rec) + '\n')


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    _current['attempts'] += 1
    _current['subfail'] = False
    start = Counter.n
    yield
    _current['published'] = Counter.n - start


def pytest_runtest_logreport(report):
    if not _current:
        return
    if type(report).__name__ == 'SubtestReport' or hasattr(report, 'context') and report.context is not None:
        if report.outcome == 'failed':
            _current['subfail'] = True
            _current['why'] = str(report.longrepr)[-600:]
        return
    outcome = report.outcome
    if outcome == 'rerun':
        outcome = 'failed'
    if report.when == 'call' and outcome == 'passed' and _current.get('subfail'):
        outcome = 'failed'
    if report.when == 'setup':
        _current['outcomes'] = {}
    _current['outcomes'][report.when] = outcome
    if hasattr(report, 'wasxfail'):
        _current['xfail'] = True
    if outcome in ('failed', 'skipped'):
        _current['why'] = (str(report.longrepr[2]) if isinstance(report.longrepr, tuple)
                           else str(report.longrepr)[-600:])
    elif report.when == 'call':
        _current['why'] = ''
