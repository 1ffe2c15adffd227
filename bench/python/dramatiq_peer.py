"""Dramatiq as it is benched: the module its worker is given; run as a program, the producer."""

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from ledger import note
from orders import Producer

broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_URL"])))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(index):
    """Does nothing but say that it was run."""
    note(index)


@dramatiq.actor(store_results=True)
def kept(index):
    """The same, and its result is stored."""
    note(index)
    return index


@dramatiq.actor
def pause(index):
    """Waits for 10 ms, as for an answer over the network."""
    note(index)
    time.sleep(0.01)


@dramatiq.actor(store_results=True)
def step(*arguments):
    """One step of a chain: gets what the one before gave, last."""
    index, before = arguments
    note(index)
    return before + 1


class Sender(Producer):
    """Sends with what Dramatiq has, which is one message a call."""

    def __init__(self):
        super().__init__()
        self._sent = []

    def one(self, index):
        noop.send(index)

    def send(self, count):
        return self.single(count)

    def stored(self, count):
        for index in self.take(count):
            kept.send(index)
        return count

    def results(self, count):
        self._sent = [kept.send(index) for index in self.take(count)]
        return count

    def fetch(self):
        return sum(1 for message in self._sent if message.get_result(block=True, timeout=120_000) is not None)

    def pause(self, count):
        for index in self.take(count):
            pause.send(index)
        return count

    def delayed(self, count, due):
        for index in self.take(count):
            noop.send_with_options(args=(index,), delay=max(0, due // 1_000_000 - time.time_ns() // 1_000_000))
        return count

    def chains(self, count, steps):
        right = 0
        for _ in range(count):
            first, *rest = self.take(steps)
            line = dramatiq.pipeline([step.message(first, 0), *(step.message(index) for index in rest)]).run()
            right += line.get_result(block=True, timeout=120_000) == steps
        return right


if __name__ == "__main__":
    Sender().obey()
