"""The worker as a genuine Celery client sees it: the judge of what a button really did."""

import contextlib
import os

import redis
from celery.result import AsyncResult

import tasks
from stage import NODE, TooLate, until


class Cluster:
    """A Celery client, with the files that hold tasks back."""

    def __init__(self, folder):
        self.folder, self.files = folder, 0
        self.shown = {}
        self.redis = redis.Redis.from_url(os.environ["APIUM_REDIS"])

    def ask(self, command, *arguments):
        """One worker's answer to `celery inspect`."""
        inspect = tasks.app.control.inspect([NODE], timeout=5)
        return (getattr(inspect, command)(*arguments) or {}).get(NODE)

    def pool(self):
        return self.ask("stats")["pool"]

    def queues(self):
        return sorted(queue["name"] for queue in self.ask("active_queues"))

    def busy(self):
        return len(self.ask("active"))

    def send(self, name, *arguments, **options):
        return tasks.app.send_task(name, arguments, **options)

    def add(self, **options):
        return self.send("mix.add", 1, 2, **options)

    @contextlib.contextmanager
    def gate(self):
        """A file that is not there before the end of the block: `probe.hold` waits for it."""
        self.files += 1
        file = self.folder / f"gate-{self.files}"
        try:
            yield file
        finally:
            file.touch()

    def hold(self, gate, **options):
        return self.send("probe.hold", str(gate), **options)

    @contextlib.contextmanager
    def held(self, count=1):
        """Tasks that run for as long as the block."""
        with self.gate() as gate:
            tasks = [self.hold(gate) for _ in range(count)]
            until(lambda: self.busy() == count, f"{count} running tasks")
            yield tasks

    def at_once(self, expected):
        """How many run at once when there is more than enough to do: three answers alike in a row."""
        seen = []

        def steady():
            seen.append(self.busy())
            return seen[-1] >= expected and len(seen) > 2 and len(set(seen[-3:])) == 1

        with self.gate() as gate:
            held = [self.hold(gate) for _ in range(expected + 2)]
            with contextlib.suppress(TooLate):
                until(steady, f"{expected} at once", 5)
        for task in held:
            task.get(timeout=20)
        until(lambda: self.busy() == 0, "an idle worker")
        return seen[-1]

    def length(self, queue):
        return self.redis.llen(queue)

    def outcome(self, task, seconds=20):
        """State and result of a task that has ended, as a Python caller sees them."""
        result = AsyncResult(task.id, app=tasks.app)
        until(result.ready, f"the end of {task.id}", seconds)
        value = result.result
        shown = f"{type(value).__name__}{value.args!r}" if isinstance(value, BaseException) else repr(value)
        return f"{result.state} {shown}"
