"""Sends tasks by the thousand, and reads all their results, as a Celery program would.

    python interop/storm.py send probe.note 20000 0.002 > ids     # task, how many, its second argument
    python interop/storm.py read 60 < ids                         # at most so many seconds

`send` gives task number n the argument n; `read` fails unless each result is that number again.
"""

import sys
import time

import kombu

from app import app


def send(task, count, argument):
    with app.producer_pool.acquire(block=True) as producer:
        ids = [app.send_task(task, [number, argument], producer=producer).id for number in range(count)]
    print("\n".join(ids))


def send_in_batches(task, count, argument):
    """kombu 5.7 sends many messages in one round trip."""
    with app.producer_pool.acquire(block=True) as producer, producer.batch(1000):
        ids = [app.send_task(task, [number, argument], producer=producer).id for number in range(count)]
    print("\n".join(ids))


def read(seconds):
    ids = sys.stdin.read().split()
    end = time.monotonic() + seconds
    missing = dict.fromkeys(ids)
    wrong = []
    numbers = {task_id: number for number, task_id in enumerate(ids)}
    while missing and time.monotonic() < end:
        for part in parts(list(missing), 1000):
            for task_id, meta in app.backend.get_many(part, timeout=1, interval=0.05, max_iterations=1):
                del missing[task_id]
                if (meta["status"], meta["result"]) != ("SUCCESS", numbers[task_id]):
                    wrong.append((task_id, meta["status"], meta["result"]))
    print(f"{len(ids)} sent, {len(ids) - len(missing)} read, {len(missing)} missing, {len(wrong)} wrong", *wrong[:3])
    sys.exit(1 if missing or wrong else 0)


def parts(items, size):
    return (items[at : at + size] for at in range(0, len(items), size))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["send", task, count, argument]:
            batches = hasattr(kombu.Producer, "batch")
            (send_in_batches if batches else send)(task, int(count), float(argument))
        case ["read", seconds]:
            read(float(seconds))
        case _:
            sys.exit(__doc__)
