"""Captures what a real Celery writes: raw envelopes and raw result records, one file each, byte for byte.

    for v in 5.4 5.5 5.6 5.7; do .venvs/celery-$v/bin/python interop/capture/capture.py; done   # from the project root

Starts a private redis-server on a free port and real workers, and replaces the files of
crates/apium-protocol/tests/golden/celery-<version>/. Only host names and paths are rewritten.
"""

import datetime
import decimal
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import celery
import redis

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent.parent / "crates/apium-protocol/tests/golden"
OUT = GOLDEN / f"celery-{'.'.join(celery.__version__.split('.')[:2])}"
UTC = datetime.timezone.utc


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_redis(folder):
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port)
    until(lambda: answers(client), "redis-server to answer")
    return server, client, f"redis://127.0.0.1:{port}/0"


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


def neutral(raw):
    """The bytes without what belongs to this machine."""
    host = socket.gethostname().encode()
    raw = raw.replace(b"@" + host, b"@host")
    raw = re.sub(rb'File \\"[^"]*?/(site-packages|lib/python[0-9.]+)/', rb'File \\"/lib/', raw)
    return raw.replace(str(HERE).encode(), b"/app")


def save(name, raw):
    (OUT / name).write_bytes(neutral(raw))


def pop(client, queue):
    """The next raw message of a queue, whatever its priority."""
    for step in ("", "\x06\x163", "\x06\x166", "\x06\x169"):
        raw = client.rpop(queue + step)
        if raw is not None:
            return raw
    return None


def capture_sent(client, module):
    """What clients send."""
    add, echo, app = module.add, module.echo, module.app
    far = datetime.datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

    def sent(name, send):
        send()
        raw = pop(client, "celery")
        number = 1
        while raw is not None:
            save(f"message-{name}{'' if number == 1 else f'-{number}'}.json", raw)
            raw = pop(client, "celery")
            number += 1

    sent("plain", lambda: add.delay(1, 2))
    sent("kwargs", lambda: echo.delay(value={"a": [None, True, 1.5, 1e16, 1e-7]}, other="x"))
    sent("no-args", lambda: echo.delay())
    sent("countdown", lambda: add.apply_async((1, 2), countdown=10))
    sent("eta", lambda: add.apply_async((1, 2), eta=far))
    sent("expires", lambda: add.apply_async((1, 2), expires=60))
    sent("expired", lambda: add.apply_async((1, 2), expires=-5))
    sent("expires-at", lambda: add.apply_async((1, 2), expires=far))
    for priority in (0, 3, 9, 255):
        sent(f"priority-{priority}", lambda p=priority: add.apply_async((1, 2), priority=p))
    sent("time-limits", lambda: add.apply_async((1, 2), time_limit=30, soft_time_limit=20.5))
    sent("shadow", lambda: add.apply_async((1, 2), shadow="shady"))
    sent("headers", lambda: add.apply_async((1, 2), headers={"x-h": "v", "x-n": [1, {"a": None}]}))
    sent("properties", lambda: add.apply_async((1, 2), app_id="shop", reply_to="rq", message_id="m1"))
    sent("link", lambda: add.apply_async((1, 2), link=[add.s(3), echo.si()], link_error=echo.s().set(queue="err")))
    sent("everything", lambda: add.apply_async(
        (1, 2), countdown=10, expires=60, priority=5, time_limit=30, soft_time_limit=20, shadow="shady",
        headers={"x-h": "v"}, link=add.s(3), link_error=echo.s(), queue="celery"))
    sent("chain", lambda: celery.chain(add.s(1, 2), add.s(3), add.s(4))())
    sent("group", lambda: celery.group(add.s(i, i) for i in range(3))())
    sent("chord", lambda: celery.chord([add.s(1, 2), add.s(3, 4)], echo.s())())
    sent("chain-group-chain", lambda: celery.chain(
        echo.s(1), celery.group(add.s(1), add.s(2)), echo.s(), add.s(5))())
    sent("nested", lambda: celery.chain(
        celery.group(celery.chain(add.s(1, 1), celery.group(add.s(2), add.s(3))), add.s(4, 4)), echo.s())())
    sent("chunks", lambda: add.chunks(zip(range(4), range(4)), 2)())

    def stamped():
        signature = add.s(1, 2)
        signature.stamp(mid="xyz", many=["a", "b"])
        signature.apply_async()

    sent("stamps", stamped)
    sent("tagged", lambda: echo.delay([
        far, far.replace(tzinfo=None), far.date(), far.time(), decimal.Decimal("1.10"), uuid.UUID(int=5), b"abc",
        b"\xff\x00"]))
    sent("numbers", lambda: echo.delay([
        float("nan"), float("inf"), -float("inf"), 10**30, -(2**64), 2**63, 2**127, -0.0, 1e22, 5e-324, 0.1]))
    sent("unicode", lambda: echo.delay("é😀\u2028\x7f\t\"\\/ \ud800 \udc00x", **{"ключ": "値"}))
    sent("long-args", lambda: echo.delay(["word " * 300, "x" * 2000], a={"b": [[[1]]]}))
    sent("ignore-result", lambda: module.quiet.delay())
    sent("ignore-result-option", lambda: add.apply_async((1, 2), ignore_result=True))
    sent("send-task", lambda: app.send_task("other.task", (1,), {"k": 2}))
    for method in ("gzip", "bzip2", "lzma"):
        sent(f"compressed-{method}", lambda m=method: add.apply_async((1, 2), compression=m))
    sent("pickle", lambda: add.apply_async((1, 2), serializer="pickle"))

    app.conf.task_protocol = 1
    if "amqp" in app.__dict__:
        del app.__dict__["amqp"]
    sent("protocol-1", lambda: app.send_task("app.add", (1, 2), countdown=10))
    sent("protocol-1-group", lambda: celery.group(add.s(1, 2), add.s(3, 4))())
    sent("protocol-1-link", lambda: add.apply_async((1, 2), link=add.s(3), link_error=echo.s(), time_limit=9))
    app.conf.task_protocol = 2
    del app.__dict__["amqp"]


def capture_redelivered(client, module):
    """One message before and after a consumer gave it back."""
    for name, options in (("plain", {}), ("headers", {"headers": {"x-h": "v"}, "priority": 9})):
        module.add.apply_async((1, float("nan")), **options)
        before = pop(client, "celery")
        client.lpush("celery", before)
        with module.app.connection() as connection:
            queue = connection.SimpleQueue("celery")
            queue.get(timeout=5).requeue()
            queue.close()
        after = until(lambda: pop(client, "celery"), "the message to come back")
        save(f"redelivered-{name}-before.json", before)
        save(f"redelivered-{name}-after.json", after)


def start_worker(url, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "app", "worker", "-c", "1", "-n", "w1@lab", "-l", "ERROR",
         "--without-mingle", "--without-gossip", "--without-heartbeat"],
        cwd=HERE, env={**os.environ, "CAPTURE_REDIS": url, "C_FORCE_ROOT": "1",
                        "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


class Results:
    """Every result record published, in every state a task goes through."""

    def __init__(self, client):
        self.listener = client.pubsub(ignore_subscribe_messages=True)
        self.listener.psubscribe("celery-task-meta-*")

    def save_until_ready(self, name, last):
        seen = []
        while not seen or seen[-1] != last:
            raw = until(lambda: self.listener.get_message(timeout=0.1), f"the result of {name} ({seen})")["data"]
            status = raw[: raw.find(b'", "result')].removeprefix(b'{"status": "').decode(errors="replace")
            if raw.startswith(b"\0"):
                save(f"result-{name}.bin", raw)
                return
            seen.append(status)
            save(f"result-{name}-{status.lower()}.json", raw)

    def close(self):
        self.listener.close()


def capture_worked(client, module, url):
    """What workers send on and store."""
    add, echo = module.add, module.echo
    parked = {"queue": module.PARKED}
    results = Results(client)
    worker = start_worker(url)

    def worked(name, send, last="SUCCESS"):
        send()
        results.save_until_ready(name, last)

    def forwarded(name):
        save(f"message-{name}.json", until(lambda: pop(client, module.PARKED), f"the message of {name}"))

    worked("plain", lambda: add.delay(1, 2))
    worked("tagged", lambda: echo.delay([datetime.datetime(2026, 1, 2, tzinfo=UTC), b"\xff", uuid.UUID(int=5)]))
    worked("numbers", lambda: echo.delay([float("nan"), 10**30, -float("inf"), "\ud800é"]))
    worked("none", lambda: echo.delay(None))
    for kind in ("value", "key", "none", "many", "inner", "set"):
        worked(f"fail-{kind}", lambda k=kind: module.fail.delay(k), "FAILURE")
    worked("retry", lambda: module.retry.apply_async(
        (1,), headers={"x-h": "v"}, link=add.s(1), time_limit=60, priority=3), "RETRY")
    forwarded("retry")
    worked("stamped-retry", lambda: stamp(module.retry.s(1), mid="z").apply_async(), "RETRY")
    forwarded("stamped-retry")
    module.replace.delay()
    results.save_until_ready("replace", "STARTED")
    forwarded("replace")
    worked("parent", lambda: module.parent.delay())
    forwarded("child")
    worked("chain", lambda: celery.chain(add.s(1, 2), add.s(3).set(**parked))())
    forwarded("chain-step")
    worked("callbacks", lambda: add.apply_async((1, 2), link=[add.s(3).set(**parked), add.s(4).set(**parked)]))
    forwarded("callback")
    forwarded("callback-2")
    worked("group-member", lambda: celery.group([add.s(1, 2)])())
    celery.chord([add.s(1, 2), add.s(3, 4)], echo.s().set(**parked))()
    results.save_until_ready("chord-part", "SUCCESS")
    results.save_until_ready("chord-part-2", "SUCCESS")
    forwarded("chord-body")
    worked("unknown", lambda: module.app.send_task("no.such"), "FAILURE")
    worked("expired", lambda: add.apply_async((1, 2), expires=-5), "REVOKED")
    worked("progress", lambda: module.progress.delay(), "PROGRESS")
    worked("soft-limit", lambda: module.slow.apply_async((9,), soft_time_limit=1), "FAILURE")
    worked("hard-limit", lambda: module.slow.apply_async((9,), time_limit=1), "FAILURE")
    worked("lost", lambda: module.killed.delay(), "FAILURE")
    stop(worker)
    results.close()

    results = Results(client)
    worker = start_worker(url, CAPTURE_EXTENDED="1")
    worked("extended", lambda: add.apply_async((1,), {"y": 2}))
    worked("extended-fail", lambda: module.fail.delay(), "FAILURE")
    worked("extended-stamped", lambda: stamp(add.s(1, 2), mid="z").apply_async())
    worked("extended-group", lambda: celery.group([add.s(1, 2)])())
    stop(worker)
    results.close()

    if OUT.name == "celery-5.7":
        results = Results(client)
        worker = start_worker(url, CAPTURE_COMPRESSION="gzip")
        worked("compressed", lambda: echo.delay("a" * 200))
        stop(worker)
        results.close()


def stamp(signature, **stamps):
    signature.stamp(**stamps)
    return signature


def stop(process):
    process.terminate()
    process.wait(30)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        server, client, url = start_redis(folder)
        try:
            os.environ["CAPTURE_REDIS"] = url
            sys.path.insert(0, str(HERE))
            import app as module

            capture_sent(client, module)
            capture_redelivered(client, module)
            capture_worked(client, module, url)
        finally:
            stop(server)
    print(f"{OUT}: {len(list(OUT.iterdir()))} files")


if __name__ == "__main__":
    main()
