"""Sends one chord of many parts, as a Celery program would, and prints the id of its body.

    APIUM_REDIS=redis://127.0.0.1:6379/0 python chords.py COUNT

Part number n has the value n; the body adds them all up.
"""

import sys

from celery import chord

from app import app


def send(count):
    header = [app.signature("mix.add", args=(number, 0)) for number in range(count)]
    return chord(header, app.signature("mix.total")).apply_async().id


if __name__ == "__main__":
    match sys.argv[1:]:
        case [count]:
            print(send(int(count)))
        case _:
            sys.exit(__doc__)
