"""Celery as it is benched: `-A celery_peer` for its worker; run as a program, the producer."""

import os
import time
from datetime import datetime, timezone

from celery import Celery, chain, chord
from celery.result import ResultSet

from ledger import note
from orders import Producer

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
    broker_connection_retry_on_startup=True,
)

# Sends as one does who does not wait: without a subscription for each result.
deaf = Celery("bench", broker=os.environ["BENCH_URL"])


@app.task(name="bench.noop")
def noop(index):
    """Does nothing but say that it was run."""
    note(index)
    return index


@app.task(name="bench.pause")
def pause(index):
    """Waits for 10 ms, as for an answer over the network."""
    note(index)
    time.sleep(0.01)
    return index


@app.task(name="bench.step")
def step(before, index):
    """One step of a chain: gets what the one before gave."""
    note(index)
    return before + 1


@app.task(name="bench.tally")
def tally(parts, index):
    """The body of a chord: gets what all parts gave."""
    note(index)
    return len(parts)


class Sender(Producer):
    """Sends with what Celery's clients have; many at once through one producer, which is the fastest of them."""

    def __init__(self):
        super().__init__()
        self._sent = []

    def one(self, index):
        noop.apply_async((index,), ignore_result=True)

    def _bulk(self, task, count, **options):
        with app.amqp.producer_pool.acquire(block=True) as producer:
            for part in _parts(self.take(count)):
                with producer.batch():
                    for index in part:
                        task.apply_async((index,), producer=producer, **options)
        return count

    def send(self, count):
        return self._bulk(noop, count, ignore_result=True)

    def stored(self, count):
        with deaf.amqp.producer_pool.acquire(block=True) as producer:
            for part in _parts(self.take(count)):
                with producer.batch():
                    for index in part:
                        deaf.send_task("bench.noop", (index,), producer=producer)
        return count

    def results(self, count):
        self._sent = [noop.apply_async((index,)) for index in self.take(count)]
        return count

    def fetch(self):
        return len(ResultSet(self._sent).join_native(timeout=300))

    def pause(self, count):
        return self._bulk(pause, count, ignore_result=True)

    def delayed(self, count, due):
        return self._bulk(noop, count, ignore_result=True, eta=datetime.fromtimestamp(due / 1e9, timezone.utc))

    def chains(self, count, steps):
        right = 0
        for _ in range(count):
            first, *rest = self.take(steps)
            last = chain(step.s(0, first), *(step.s(index) for index in rest)).apply_async()
            right += last.get(timeout=120) == steps
        return right

    def chords(self, count, parts):
        right = 0
        for _ in range(count):
            *header, body = self.take(parts + 1)
            right += chord((noop.s(index) for index in header), tally.s(body)).apply_async().get(timeout=120) == parts
        return right


def _parts(numbers, size=1000):
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


if __name__ == "__main__":
    Sender().obey()
