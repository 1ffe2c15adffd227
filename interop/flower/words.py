"""Celery's own command line beside Flower: status, every `celery inspect`, `celery events` as dump and as snapshots."""

import contextlib
import json
import re
import subprocess
import sys

from buttons import Row, holds, plain
from stage import HERE, NODE, until

CELERY = [sys.executable, "-m", "celery", "-A", "tasks"]
INSPECT = [
    "active",
    "active_queues",
    "clock",
    "conf",
    "memsample",
    "ping",
    "query_task",
    "registered",
    "report",
    "reserved",
    "revoked",
    "scheduled",
    "stats",
]
EVENT = re.compile(r"(?P<node>\S+) \[[^]]*\] (?P<what>[a-z ]+): (?P<fields>.*)")


def celery(*arguments):
    """Runs a command to its end; gives exit code and output."""
    done = subprocess.run([*CELERY, *arguments], cwd=HERE, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip() or done.stderr.strip()


def shape(value, path=""):
    """Where in a reply there is what kind of value; of a list the first."""
    if isinstance(value, dict) and value:
        return {
            name: kind for key, inner in value.items() for name, kind in shape(inner, f"{path}.{plain(key)}").items()
        }
    if isinstance(value, list) and value:
        return shape(value[0], f"{path}[]")
    return {path: "number" if type(value) in (int, float) else type(value).__name__}


def status(_pages, _cluster):
    """`celery status`, with its words."""
    code, said = celery("status")
    yield Row("celery status", said, f"exit code {code}", "exit code 0")


def inspect(_pages, cluster):
    """Each `celery inspect`, asked while there is something to tell: as text, and as JSON for its shape."""
    told = {}
    with cluster.held(2) as (task, _):
        for command in INSPECT:
            arguments = [task.id] if command == "query_task" else []
            code, said = celery("inspect", "--json", command, *arguments)
            yield Row(f"celery inspect {command}", "", f"exit code {code}", "exit code 0")
            with contextlib.suppress(ValueError, KeyError):
                told[f"celery inspect {command}"] = shape(json.loads(said)[NODE])
        code, said = celery("inspect", "active")
    good = "1 node online" in said and task.id in said
    yield Row(
        "celery inspect active, as text",
        "",
        f"exit code {code}, lists the task: {good}",
        "exit code 0, lists the task: True",
    )
    for command in ("conf", "registered"):
        told.pop(f"celery inspect {command}", None)
    yield told


@contextlib.contextmanager
def watching(folder, *arguments):
    """`celery events` in the background; gives what asks for its lines so far."""
    file = folder / "events.log"
    with open(file, "w", encoding="utf-8") as log:
        child = subprocess.Popen([*CELERY, "events", *arguments], cwd=HERE, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield lambda: file.read_text(encoding="utf-8").splitlines()
        finally:
            child.terminate()
            child.wait(10)


def dump(_pages, cluster):
    """`celery events --dump`: which events there are, and what they tell."""
    with watching(cluster.folder, "--dump") as lines:
        until(lambda: any("heartbeat" in line for line in lines()), "a heartbeat in the dump", 30)
        late = cluster.add(countdown=2)
        late.revoke()
        cluster.add()
        cluster.send("probe.flaky", 1)
        cluster.send("mix.fail", 70707)
        wanted = ("task received", "task started", "task succeeded", "task failed", "task retried", "task revoked")
        told = holds(lambda: all(any(what in line for line in lines()) for what in wanted), 10)
        seen = lines()
    yield Row(
        "celery events --dump", "", f"told of each of {len(wanted)} events: {told}", "told of each of 6 events: True"
    )
    fields = {}
    for line in seen:
        found = EVENT.match(line)
        if found and found["node"] == NODE:
            names = re.findall(r"(\w+)=", re.sub(r"traceback=.*?(?=, \w+=|$)", "traceback=", found["fields"]))
            fields.update({f"{found['what']} {name}": "" for name in names})
    yield {"celery events --dump": fields}


def snapshot(_pages, cluster):
    """`celery events --camera`: a snapshot of workers and tasks."""
    with watching(cluster.folder, "--camera", "camera.Printer", "--frequency", "0.5") as lines:
        until(lambda: any(NODE in line for line in lines()), "a snapshot with the worker", 30)
        cluster.add()
        told = holds(
            lambda: any("'mix.add': 'SUCCESS'" in line and f"'{NODE}': 'ONLINE'" in line for line in lines()), 10
        )
    yield Row("celery events --camera", "", f"worker online, task SUCCESS: {told}", "worker online, task SUCCESS: True")


STEPS = [status, inspect, dump, snapshot]
