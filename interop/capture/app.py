"""The Celery application whose messages and results are captured; read by the clients and by the workers."""

import os
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery("capture", broker=os.environ["CAPTURE_REDIS"], backend=os.environ["CAPTURE_REDIS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_extended=os.environ.get("CAPTURE_EXTENDED") == "1",
    task_track_started=True,
    worker_hijack_root_logger=False,
)
if os.environ.get("CAPTURE_COMPRESSION"):
    app.conf.result_compression = os.environ["CAPTURE_COMPRESSION"]

# Nobody consumes this queue, so what a worker sends there can be taken out at leisure.
PARKED = "parked"


class Outer:
    class Inner(Exception):
        pass


@app.task(name="app.add")
def add(x, y=0):
    return x + y


@app.task(name="app.echo")
def echo(value=None, **kwargs):
    return value


@app.task(name="app.quiet", ignore_result=True)
def quiet():
    return None


@app.task(name="app.fail")
def fail(kind="value"):
    raise {
        "value": ValueError("boom"),
        "key": KeyError("missing"),
        "none": RuntimeError(),
        "many": OSError(2, "No such file", "x"),
        "inner": Outer.Inner("quoted 'ü'", {"a": 1}),
        "set": ValueError({1}),
    }[kind]


@app.task(name="app.retry", bind=True)
def retry(self, value):
    raise self.retry(exc=ValueError("again"), countdown=30, queue=PARKED)


@app.task(name="app.replace", bind=True)
def replace(self):
    raise self.replace(add.s(3, 4).set(queue=PARKED))


@app.task(name="app.parent")
def parent():
    return add.apply_async((1, 1), queue=PARKED).id


@app.task(name="app.progress", bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 10})
    raise Ignore()


@app.task(name="app.reject")
def reject():
    raise Reject("no", requeue=False)


@app.task(name="app.slow")
def slow(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


@app.task(name="app.killed")
def killed():
    os.kill(os.getpid(), 9)
