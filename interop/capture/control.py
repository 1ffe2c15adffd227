"""Captures remote control and events of a real Celery: every request a Python client publishes, every reply a Python
worker pushes, and every event of workers and clients, one JSON line each.

    for v in 5.4 5.7; do .venvs/celery-$v/bin/python interop/capture/control.py; done   # from the project root

Starts a private redis-server on a free port and real workers, and replaces control-<version>.jsonl,
events-<version>.jsonl and control-glob.jsonl in crates/apium-protocol/tests/golden/. Raw envelopes are kept as text;
only host names and paths are rewritten, inside the bodies too.
"""

import base64
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

import capture
import celery
import kombu.transport.redis
import redis
from capture import GOLDEN, HERE, stop, until

VERSION = ".".join(celery.__version__.split(".")[:2])


def neutral(raw):
    """The envelope as text, without what belongs to this machine, in the body too."""
    envelope = json.loads(raw)
    body = base64.b64decode(envelope["body"])
    plain = capture.neutral(body)
    plain = re.sub(rb"kernel version:\S+", b"kernel version:6.0", plain)
    plain = re.sub(rb"/[^\"\\ ]*?/\.venvs/", b"/venvs/", plain)
    raw = capture.neutral(raw).decode()
    return raw.replace(envelope["body"], base64.b64encode(plain).decode())


class Replies:
    """What the client read from its reply queue, as it stood there."""

    def __init__(self):
        self.seen = []
        self.loads = kombu.transport.redis.loads
        kombu.transport.redis.loads = self.record

    def record(self, text):
        self.seen.append(text.encode() if isinstance(text, str) else text)
        return self.loads(text)


class Channels(threading.Thread):
    """Everything that is published, with its channel."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.listener = client.pubsub(ignore_subscribe_messages=True)
        self.listener.psubscribe("/0.*")
        self.seen = []
        self.start()

    def run(self):
        while True:
            try:
                message = self.listener.get_message(timeout=0.1)
            except redis.ConnectionError:
                # The server was stopped: there is nothing more to hear.
                return
            if message:
                self.seen.append((message["channel"].decode(), message["data"]))

    def requests(self):
        return [data for channel, data in self.seen if channel.endswith(".pidbox")]

    def events(self):
        return [(channel, data) for channel, data in self.seen if "celeryev" in channel]

    def types(self):
        """The types of all events seen, those in batches too."""
        found = []
        for _, data in self.events():
            body = json.loads(base64.b64decode(json.loads(data)["body"]))
            found += [event["type"] for event in (body if isinstance(body, list) else [body])]
        return found


# A task that is acknowledged late, so that its rejection is one and not a failure.
WORKER = "import sys, app; app.reject.acks_late = True; app.app.worker_main(sys.argv[1:])"


def start_worker(url, name, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, "worker", "-n", f"{name}@lab", "-l", "ERROR", *arguments],
        cwd=HERE, env={**os.environ, "CAPTURE_REDIS": url, "C_FORCE_ROOT": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


class Asker:
    """Sends one request after the other and keeps each with its reply."""

    def __init__(self, app, channels):
        self.app, self.channels, self.replies, self.lines = app, channels, Replies(), []

    def ask(self, method, arguments=None, node="w1", reply=True, **options):
        before, sent = len(self.replies.seen), len(self.channels.requests())
        if "pattern" not in options and node:
            options["destination"] = [f"{node}@lab"]
        self.app.control.broadcast(method, arguments or {}, reply=reply, timeout=3, limit=1, **options)
        request = until(lambda: self.channels.requests()[sent:], f"the request {method}")[-1]
        got = self.replies.seen[before:]
        line = {"method": method, "request": neutral(request), "reply": neutral(got[0]) if got else None}
        self.lines.append(line)

    def alive(self, node):
        until(lambda: self.app.control.ping(destination=[f"{node}@lab"], timeout=1), f"{node} to answer")


def ask_plain(asker):
    """Every command in an idle worker, right and wrong."""
    ask = asker.ask
    ask("ping")
    ask("ping", node=None)
    ask("ping", pattern="w?@[k-m]*", matcher="glob")
    ask("ping", pattern="w1@", matcher="pcre")
    ask("ping", reply=False)
    ask("ping", {"nonsense": 1})
    ask("clock")
    ask("nosuch")
    ask("report")
    ask("report", {"nonsense": 1})
    ask("report", {"state": 1})
    for method in ("conf", "dump_conf", "stats", "memsample", "active_queues", "revoked", "dump_revoked", "reserved",
                   "registered", "dump_tasks", "active", "scheduled"):
        ask(method)
    ask("memdump", {"samples": 10})
    ask("objgraph", {"num": 200, "max_depth": 10, "type": "Request"})
    ask("registered", {"taskinfoitems": ["name", "rate_limit", "max_retries"], "builtins": True})
    ask("hello", {"from_node": "w1@lab", "revoked": []})
    ask("hello", {"from_node": "w9@lab", "revoked": ["id-1", "id-2"]})
    ask("hello")
    ask("enable_events")
    ask("enable_events")
    ask("enable_events", {"nonsense": 1, "other": 2})
    ask("rate_limit", {"task_name": "app.add", "rate_limit": "10/m"})
    ask("registered")
    ask("registered", {"taskinfoitems": ["name"]})
    for limit in (0, None, "0", "x/m", "5/y", 2.5, 7):
        ask("rate_limit", {"task_name": "app.add", "rate_limit": limit})
    ask("rate_limit", {"task_name": "no.such", "rate_limit": "10/m"})
    ask("rate_limit", {})
    ask("time_limit", {"task_name": "app.add", "hard": 30, "soft": 20.5})
    ask("time_limit", {"task_name": "no.such", "hard": None, "soft": None})
    ask("add_consumer", {"queue": "q2", "exchange": None, "exchange_type": "direct", "routing_key": None})
    until(lambda: len(asker.app.control.inspect(["w1@lab"]).active_queues()["w1@lab"]) == 2, "the second queue")
    ask("active_queues")
    ask("cancel_consumer", {"queue": "q2"})
    ask("cancel_consumer", {})
    ask("pool_grow", {"n": 1})
    ask("pool_shrink", {"n": 1})
    ask("pool_restart", {"modules": None, "reload": False, "reloader": None})
    ask("autoscale", {"max": 5, "min": 1})
    ask("autoscale", {"max": 5, "nonsense": 1})
    ask("heartbeat")
    ask("revoke", {"task_id": "id-3", "terminate": False, "signal": "SIGTERM"})
    ask("revoke", {"task_id": ["id-3"], "terminate": False, "signal": "SIGTERM"})
    ask("revoke", {"task_id": [], "terminate": False})
    ask("revoke", {"task_id": "id-3", "terminate": True, "signal": "SIGTERM"})
    ask("revoke", {"terminate": True})
    ask("terminate", {"signal": "KILL", "task_id": ["id-3"]})
    ask("terminate", {})
    ask("revoke_by_stamped_headers", {"headers": {"h": ["v1", "v2"]}, "terminate": False, "signal": "SIGTERM"})
    ask("revoke_by_stamped_headers", {"headers": {"h": "v3"}, "terminate": True, "signal": "SIGTERM"})
    ask("revoke_by_stamped_headers", {"headers": ["h=v4", "k=v5=x"]})
    ask("revoke_by_stamped_headers", {"headers": ["h"]})
    ask("election", {})


def ask_busy(asker, module):
    """The commands that speak of tasks, while some run, wait and are not due."""
    ask, inspect = asker.ask, asker.app.control.inspect(["w1@lab"])

    def count(what):
        return len((getattr(inspect, what)() or {}).get("w1@lab", []))

    # The group's stamp is the one the running task is called off by.
    signature = module.slow.s(60)
    signature.stamp(batch="b-1")
    first = signature.apply_async(kwargs={}, task_id="t-first")
    until(lambda: count("active") == 1, "the first task to run")
    second = module.slow.apply_async((60,), task_id="t-second", priority=3)
    until(lambda: count("reserved") == 1, "the second task to be reserved")
    module.add.apply_async((1, 2), task_id="t-later", countdown=3600)
    until(lambda: count("scheduled") == 1, "the third task to be scheduled")
    for method in ("active", "dump_active", "reserved", "dump_reserved", "scheduled", "dump_schedule", "stats"):
        ask(method)
    ask("active", {"safe": True})
    ask("query_task", {"ids": [first.id, second.id, "t-later", "t-none"]})
    ask("query_task", {"ids": "t-first"})
    ask("query_task", {})
    ask("pool_shrink", {"n": 1})
    ask("revoke", {"task_id": ["t-later"], "terminate": False, "signal": "SIGTERM"})
    ask("revoked")
    ask("revoke_by_stamped_headers", {"headers": {"batch": ["b-1"]}, "terminate": True, "signal": "SIGTERM"})
    until(lambda: (inspect.active() or {}).get("w1@lab", [{}])[:1] and
          inspect.active()["w1@lab"][0]["id"] == "t-second", "the second task to run")
    ask("revoke", {"task_id": "t-second", "terminate": True, "signal": "SIGKILL"})
    until(lambda: count("active") == 0, "no task to run")


def make_events(asker, module):
    """One task for every event there is."""
    module.app.conf.task_send_sent_event = True
    module.add.delay(1, 2)
    module.echo.apply_async((), {"value": "it's \"é\""}, expires=600, countdown=0.1)
    for kind in ("value", "key", "none", "many", "inner", "set"):
        module.fail.delay(kind)
    module.retry.apply_async((1,), priority=3)
    module.reject.delay()
    module.add.apply_async((1, 2), expires=-5)
    module.app.send_task("no.such")
    celery.group([module.add.s(1, 2)])()
    module.killed.delay()
    wanted = {"task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried",
              "task-rejected", "task-revoked"}
    until(lambda: wanted <= set(asker.channels.types()) and asker.channels.types().count("task-failed") >= 8,
          f"the events of all tasks ({sorted(set(asker.channels.types()))})", 60)
    asker.ask("disable_events")
    asker.ask("disable_events")
    asker.ask("shutdown", reply=False)


def ask_others(asker, url):
    """A worker with a range of processes and one without any, and an election between them."""
    workers = [start_worker(url, "w2", "--autoscale=3,1", "-E"), start_worker(url, "w3", "-P", "solo")]
    asker.alive("w2")
    asker.alive("w3")
    for method, arguments in (("stats", {}), ("autoscale", {"max": 5, "min": 1}), ("pool_grow", {"n": 1}),
                              ("pool_shrink", {"n": 1}), ("enable_events", {}), ("disable_events", {})):
        asker.ask(method, arguments, node="w2")
    asker.ask("stats", node="w3")
    beats = len(asker.channels.types())
    until(lambda: asker.channels.types()[beats:].count("worker-heartbeat") >= 4, "both to know of each other")
    asker.app.control.election("e-1", "nothing", {"some": "action"})
    until(lambda: asker.channels.types().count("worker-elect-ack") >= 2, "the election")
    request = [raw for raw in asker.channels.requests() if b"election" in base64.b64decode(json.loads(raw)["body"])]
    asker.lines.append({"method": "election", "request": neutral(request[-1]), "reply": None})
    for worker in workers:
        stop(worker)


def thinned(events):
    """The events without the many equal heartbeats, in their order."""
    kept, beats = [], 0
    for channel, data in events:
        if channel.endswith("worker.heartbeat"):
            beats += 1
            if beats > 3 and b'"freq": 5,' not in base64.b64decode(json.loads(data)["body"]):
                continue
        kept.append({"channel": channel, "event": neutral(data)})
    return kept


def save(name, lines):
    (GOLDEN / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{name}: {len(lines)} lines")


def glob_table():
    """What fnmatch says, for the patterns that are easy to get wrong."""
    names = ["w1@lab", "w12@lab", "", "a", "b", "-", "]", "[", "!", "\\", "a]", "[a", "^", "w1@lab\n", "é", "c", "*"]
    patterns = ["*", "", "?", "w?@lab", "w*@l*b", "*@lab", "w[0-9]@lab", "[!a]", "[]]", "[!]]", "[a-c]", "[c-a]", "[a-]",
                "[-a]", "[--a]", "[a-c-e]", "[", "[a", "a]", "[!", "[]", "[!]", "[\\]", "\\*", "[^a]", "**", "*?", "[*]",
                "[a-b-]", "[!a-c]", "W1@LAB", "w1@lab*", "[é]", "[!c-a]", "[[]", "*a*b*"]
    return [{"pattern": pattern, "names": {name: fnmatch.fnmatch(name, pattern) for name in names}}
            for pattern in patterns]


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, client, url = capture.start_redis(folder)
        try:
            os.environ["CAPTURE_REDIS"] = url
            sys.path.insert(0, str(HERE))
            import app as module

            channels = Channels(client)
            asker = Asker(module.app, channels)
            worker = start_worker(url, "w1", "-c", "1")
            asker.alive("w1")
            ask_plain(asker)
            ask_busy(asker, module)
            make_events(asker, module)
            worker.wait(30)
            ask_others(asker, url)
            until(lambda: channels.types().count("worker-offline") >= 3, "all to say good-bye")
            save(f"control-{VERSION}.jsonl", asker.lines)
            save(f"events-{VERSION}.jsonl", thinned(channels.events()))
            save("control-glob.jsonl", glob_table())
        finally:
            stop(server)


if __name__ == "__main__":
    main()
