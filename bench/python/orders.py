"""How a producer takes its orders: a line each on standard input, answered with `done` and a count."""

import sys
import time

from ledger import note


class Producer:
    """Numbers its tasks from 0 on, whatever they are; a peer's own class says how each order is carried out."""

    def __init__(self):
        self._next = 0

    def take(self, count):
        """The next so many numbers."""
        first, self._next = self._next, self._next + count
        return range(first, first + count)

    def one(self, index):
        """Sends one task and asks for no result."""
        raise NotImplementedError

    def single(self, count):
        """One message a round trip."""
        for index in self.take(count):
            self.one(index)
        return count

    def paced(self, count, micros):
        """One message each so often, with the time noted before it is sent."""
        at = time.monotonic()
        for index in self.take(count):
            at += micros / 1e6
            time.sleep(max(0.0, at - time.monotonic()))
            note(index, "BENCH_SENT")
            self.one(index)
        return count

    def obey(self):
        """Reads orders until there are no more."""
        print("ready", flush=True)
        for line in sys.stdin:
            verb, *numbers = line.split()
            print("done", getattr(self, verb)(*map(int, numbers)), flush=True)
