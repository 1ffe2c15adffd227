"""The Celery application of Flower and of its genuine worker: the tasks that `examples/probe.rs` has too.

APIUM_REDIS says where the broker is.
"""

import os
import time

from celery import Celery

URL = os.environ["APIUM_REDIS"]

app = Celery("flower_check", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True


@app.task(name="mix.add")
def add(x, y):
    return x + y


@app.task(name="mix.fail")
def fail(value):
    raise ValueError(f"no such luck with {value}")


@app.task(name="probe.hold")
def hold(until):
    """Runs until the file `until` is there."""
    while not os.path.exists(until):
        time.sleep(0.01)
    return "released"


@app.task(name="probe.flaky", bind=True)
def flaky(self, failures):
    """Fails so many times, then succeeds; says how often it was retried."""
    if self.request.retries < failures:
        raise self.retry(exc=ConnectionError("not yet"), countdown=0.05)
    return self.request.retries
