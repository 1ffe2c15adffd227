"""The Celery application of the interoperability tests: its worker is the stock peer, its client the stock caller.

    APIUM_REDIS=redis://127.0.0.1:6379/0 celery -A app worker      # in this folder

APIUM_TRANSPORT may hold broker transport options as JSON, such as {"visibility_timeout": 5}, and APIUM_CONF further
settings, such as {"result_compression": "gzip"}.
"""

import json
import os
import time

from celery import Celery

URL = os.environ["APIUM_REDIS"]

app = Celery("interop", broker=URL)
app.conf.update({
    "result_backend": URL,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": json.loads(os.environ.get("APIUM_TRANSPORT", "{}")),
    **json.loads(os.environ.get("APIUM_CONF", "{}")),
})


class OutOfStock(Exception):
    """An error that only this application knows."""


@app.task(name="app.add")
def add(x, y=10):
    return x + y


@app.task(name="app.echo")
def echo(value):
    return value


@app.task(name="app.fail")
def fail(kind):
    if kind == "own":
        raise OutOfStock("teapots", 0)
    raise ValueError("no such item: ü")


@app.task(name="app.progress", bind=True)
def progress(self, until):
    """Tells how far it is, and goes on when the file `until` is there."""
    self.update_state(state="PROCESSING", meta={"done": 3, "of": 10})
    while not os.path.exists(until):
        time.sleep(0.01)
    return "done"


@app.task(name="mix.add")
def mix_add(x, y):
    return x + y


@app.task(name="mix.total")
def mix_total(numbers):
    return sum(numbers)


@app.task(name="mix.fail")
def mix_fail(_value):
    raise ValueError("no such luck")
