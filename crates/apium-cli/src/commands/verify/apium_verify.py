"""The task of `apium verify` for Celery's workers: its first act and its last are a line each in a ledger.

    APIUM_BROKER=redis://127.0.0.1:6379/0 celery -A apium_verify worker -Q QUEUE

or imported by an application of one's own, which then knows the task too. It writes to the file that
APIUM_VERIFY_LEDGER names and to no other. APIUM_VERIFY_CONF may hold settings of Celery as JSON, such as
{"task_acks_late": true, "broker_transport_options": {"visibility_timeout": 10}}.
"""

import itertools
import json
import os
import socket
import time

from celery import Celery, shared_task

LEDGER = os.environ.get("APIUM_VERIFY_LEDGER")
WORKER = os.environ.get("APIUM_VERIFY_WORKER") or socket.gethostname()

app = Celery("apium_verify", broker=os.environ.get("APIUM_BROKER"))
app.conf.result_backend = os.environ.get("APIUM_RESULT_BACKEND") or os.environ.get("APIUM_BROKER")
app.conf.broker_connection_retry_on_startup = True
app.conf.update(json.loads(os.environ.get("APIUM_VERIFY_CONF") or "{}"))

attempts = itertools.count()


@shared_task(name="apium.verify")
def verify(run, number, path=None, seconds=0.0):
    if path is None:
        time.sleep(seconds)
        return number
    if path != LEDGER:
        raise RuntimeError(f"this worker may not write {path}: start it with APIUM_VERIFY_LEDGER={path}")
    words = f"{run} {number} {os.getpid()}.{next(attempts)} {os.getpid()} {WORKER}"
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(ledger, f"\nbegin {words} {time.time_ns() // 1000} .\n".encode())
        time.sleep(seconds)
        os.write(ledger, f"\nend {words} {time.time_ns() // 1000} .\n".encode())
    finally:
        os.close(ledger)
    return number
