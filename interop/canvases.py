"""Random canvases, sent by real Celery, run by whatever workers there are: each must end in the value it stands for.

    APIUM_REDIS=redis://127.0.0.1:6379/0 python canvases.py COUNT [SEED] [TIMEOUT]

The tasks `mix.add`, `mix.total` and `mix.fail` are known to the Python workers of `app.py` and to the Rust ones of
`examples/probe.rs` alike, so that each step runs on whichever is free. Prints the seed, each canvas that ended otherwise
(with the seed that makes it alone), and a last line `N right, M wrong`.
"""

import random
import sys

from celery import chain, chord, group
from celery.exceptions import TimeoutError as TimedOut

from app import app

FAILED = "failed"


def add(k, **options):
    return app.signature("mix.add", args=(k,), **options)


def total():
    return app.signature("mix.total")


def steps(rng, depth):
    """A canvas that takes a number and gives one, and the function it stands for."""
    kind = rng.choice(["add", "add", "chain", "fan", "chord", "immutable"] if depth else ["add"])
    if kind == "chain":
        parts = [steps(rng, depth - 1) for _ in range(rng.randint(1, 4))]
        return chain(*[part for part, _ in parts]), lambda x: compose(parts, x)
    if kind in ("fan", "chord"):
        parts = [steps(rng, depth - 1) for _ in range(rng.randint(1, 5))]
        header = [part for part, _ in parts]
        whole = group(header) | total() if kind == "fan" else chord(header, total())
        return whole, lambda x: gather(parts, x)
    k = rng.randint(0, 9)
    if kind == "immutable":
        return app.signature("mix.add", args=(k, 1), immutable=True), lambda x: x if x == FAILED else k + 1
    return add(k), lambda x: x if x == FAILED else x + k


def compose(parts, x):
    for _, function in parts:
        x = function(x)
    return x


def gather(parts, x):
    values = [function(x) for _, function in parts]
    return FAILED if FAILED in values else sum(values)


def canvas(rng):
    """A whole canvas and its value."""
    first, second = rng.randint(0, 9), rng.randint(0, 9)
    whole, value = app.signature("mix.add", args=(first, second)), first + second
    parts = [steps(rng, rng.randint(0, 3)) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.1:
        parts.insert(rng.randint(0, len(parts)), (app.signature("mix.fail"), lambda _: FAILED))
    for part, function in parts:
        whole, value = whole | part, function(value)
    # Behind a failure the members of a last group are never told of it, by Celery's workers neither (its issue 6437).
    if value != FAILED and rng.random() < 0.2:
        parts = [steps(rng, 1) for _ in range(rng.randint(2, 4))]
        whole = whole | group([part for part, _ in parts])
        value = [function(value) for _, function in parts]
    return whole, value


def outcome(result, timeout):
    try:
        return result.get(timeout=timeout)
    except TimedOut:
        return "no result in time"
    except Exception:  # noqa: BLE001: which one it is differs with the place of the failure
        return FAILED


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    timeout = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
    print(f"seed {seed}", flush=True)
    wrong = 0
    for start in range(0, count, 20):
        made = []
        for number in range(start, min(start + 20, count)):
            whole, value = canvas(random.Random(f"{seed}/{number}"))
            made.append((number, whole, value, whole.apply_async()))
        for number, whole, value, result in made:
            told = outcome(result, timeout)
            if told != value:
                wrong += 1
                print(f"{seed}/{number}: {whole!r} gave {told!r}, not {value!r}", flush=True)
    print(f"{count - wrong} right, {wrong} wrong", flush=True)
    sys.exit(1 if wrong else 0)


main()
