"""Captures where a real Celery sends a task: one JSON line a case, for crates/apium-core/tests/it/routes_golden.rs.

    .venvs/celery-5.7/bin/python interop/capture/routes.py              # writes tests/golden/routes.jsonl of apium-core
    .venvs/celery-5.6/bin/python interop/capture/routes.py /tmp/5.6     # another version, to compare

Tasks are really sent, over kombu's transport in memory, with every declared queue in place as running workers leave it;
a case holds what was configured and asked, what the router made of it, and the queues in which a message arrived.
"""

import itertools
import json
import random
import sys
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
warnings.simplefilter("ignore")

from celery import Celery
from celery.signals import before_task_publish
from kombu import Exchange, Queue, binding, pools
from kombu.transport import memory

OUT = Path(__file__).resolve().parent.parent.parent / "crates/apium-core/tests/golden/routes.jsonl"
KNOWN = ("queue", "exchange", "exchange_type", "routing_key", "priority")

published = {}


@before_task_publish.connect
def note(exchange=None, routing_key=None, properties=None, **_):
    name = exchange.name if isinstance(exchange, Exchange) else exchange
    published.update(exchange=name, routing_key=routing_key, priority=properties.get("priority"))


def queue(name, options):
    bindings = options.get("bindings")
    if not bindings:
        return None
    bound = [binding(Exchange(b["exchange"], b.get("exchange_type") or "direct"), routing_key=b["routing_key"]) for b in bindings]
    return Queue(name, bindings=bound, routing_key=options.get("routing_key") or "")


def queues_of(declared):
    if not declared:
        return None
    return {name: queue(name, options) or dict(options) for name, options in declared.items()}


def capture(case):
    """Sends the case's task and tells what became of it."""
    # A kept connection believes its queues to be in place.
    pools.reset()
    memory.Transport.global_state.clear()
    memory.Channel.queues.clear()
    published.clear()
    app = Celery("capture", broker="memory://", set_as_current=False)
    app.conf.update(case.get("conf", {}))
    app.conf.task_routes = case.get("task_routes")
    app.conf.task_queues = queues_of(case.get("task_queues"))
    name, options = case["name"], case.get("options", {})
    try:
        with app.connection_for_write() as connection:
            for declared in list(app.amqp.queues.values()):
                declared(connection.default_channel).declare()
        routed = app.amqp.router.route(dict(options), name)
        app.send_task(name, **options)
    except Exception as error:  # noqa: BLE001: which one is part of the case
        return {"error": type(error).__name__}
    found = routed.get("queue")
    arrived = sorted(name or "" for name, waiting in memory.Channel.queues.items() if waiting.qsize())
    other = {key: value for key, value in routed.items() if key not in KNOWN}
    return {"queue": found and found.name, **published, "other": other, "arrived": arrived}


BRIEF = {
    "hps_core.tasks.send_*": {"queue": "email"},
    "hps_core.tasks.*email*": {"queue": "email"},
    "hps_core.tasks.monitor_*": {"queue": "email"},
    "hps_core.tasks.analyze_*": {"queue": "analysis"},
    "hps_core.tasks.process_*": {"queue": "analysis"},
    "hps_core.tasks.generate_*": {"queue": "analysis"},
    "hps_core.tasks.check_*": {"queue": "email"},
}
BRIEF_NAMES = [
    "hps_core.send_generic_email", "hps_core.monitor_hps_emails", "hps_core.analyze_emails", "hps_core.send_bulk_emails",
    "hps_core.tasks.weekly_hps_stats_task", "hps_core.tasks.analyze_emails_task", "hps_core.tasks.monitor_hps_emails_task",
    "hps_core.tasks.check_hps_expiration_task", "hps_core.tasks.send_hps_form_email_task", "hps_core.tasks.generate_reports_task",
]

PATTERNS = [
    "feed.tasks.*", "feed.*", "*.import", "*feed*", "*", "f[a-e]ed.*", "f[!a-d]ed.*", "fee?.*", "feed.?mport", "[f]eed.import",
    "feed.[!i]*", "*[", "[]f]*", "feed.tasks.import", "feed.import", "FEED.*", "*.[a-z]*", "feed.**.import", "f^*", "*\n",
]
NAMES = [
    "feed.tasks.import", "feed.tasks.export", "feed.import", "feed", "FEED.import", "fxed.import", "other.task",
    "feed.[", "]f", "feed.\nimport", "", "feed.?mport", "feed.tasks.deep.import", "f^",
]

QUEUES = [
    None,
    {"feeds": {}, "media": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.#"}},
    {"video": {"exchange": "media", "exchange_type": "topic", "binding_key": "media.video.*"},
     "images": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.image"},
     "all": {"exchange": "media", "exchange_type": "topic", "routing_key": "#"},
     "news": {"exchange": "news", "exchange_type": "fanout"},
     "wire": {"exchange": "news", "exchange_type": "fanout"},
     "celery": {}},
    {"a": {"exchange": "x", "routing_key": "k"}, "b": {"exchange": "x", "routing_key": "k"}, "c": {"exchange": "x", "exchange_type": "direct"},
     "feeds": {"exchange_type": "topic"}},
    {"many": {"bindings": [{"exchange": "media", "exchange_type": "topic", "routing_key": "*.video"},
                           {"exchange": "x", "routing_key": "k"}]},
     "video": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.video"}},
]
CONFS = [
    {},
    {"task_default_queue": "default"},
    {"task_default_queue": "default", "task_default_exchange": "tasks", "task_default_exchange_type": "topic",
     "task_default_routing_key": "task.default"},
    {"task_create_missing_queues": False, "task_default_queue": "feeds"},
    {"task_create_missing_queues": False},
    {"task_default_exchange_type": "fanout"},
    {"task_default_exchange": "x", "task_default_routing_key": "k"},
]
VALUES = [
    "feeds", "video", "images", "news", "absent", "many", "a", "", {}, {"queue": "feeds", "priority": 3}, {"priority": 7},
    {"queue": "video", "routing_key": "media.image"}, {"exchange": "media", "routing_key": "media.video.hd"},
    {"exchange": "media", "routing_key": "media.video", "exchange_type": "topic"}, {"queue": "c", "exchange": "x", "routing_key": "k"},
    {"queue": None, "priority": 1}, {"exchange": "media"}, {"routing_key": "media.video"}, {"queue": "feeds", "serializer": "json"},
    {"queue": "news", "exchange": "news"}, {"exchange": "nowhere", "routing_key": "k"}, {"queue": "a", "routing_key": "k"},
    {"queue": "absent", "exchange_type": "topic"}, {"exchange": "", "routing_key": "feeds"}, {"queue": "video", "priority": None},
    {"queue": "many", "routing_key": "my.video"}, {"exchange_type": "topic", "routing_key": "task.x"},
]
OPTIONS = [
    {}, {}, {}, {"queue": "feeds"}, {"queue": "absent"}, {"priority": 9}, {"routing_key": "media.video.sd"}, {"queue": "news"},
    {"exchange": "media", "routing_key": "media.image"}, {"queue": None, "priority": None}, {"exchange": "x"},
    {"queue": "video", "priority": 0}, {"exchange": "x", "routing_key": "k"},
]


def cases():
    """Every case, in an order that stays the same."""
    for name in BRIEF_NAMES:
        yield {"conf": {"task_default_queue": "default"}, "task_routes": BRIEF, "name": name}
    for pattern, name in itertools.product(PATTERNS, NAMES):
        yield {"task_routes": {pattern: "hit"}, "name": name}
    for value in VALUES:
        for queues in QUEUES:
            yield {"task_queues": queues, "task_routes": {"feed.*": value}, "name": "feed.import"}
    for options, queues in itertools.product(OPTIONS[3:], QUEUES):
        yield {"task_queues": queues, "name": "feed.import", "options": options}
    for conf, queues in itertools.product(CONFS, QUEUES):
        yield {"conf": conf, "task_queues": queues, "name": "feed.import"}
    chance = random.Random(20261122)
    for _ in range(400):
        tables = [
            {chance.choice(PATTERNS): chance.choice(VALUES) for _ in range(chance.randint(1, 4))}
            for _ in range(chance.randint(1, 2))
        ]
        if chance.random() < 0.3:
            tables = [[list(pair) for pair in table.items()] + [[chance.choice(PATTERNS), chance.choice(VALUES)]] for table in tables]
        elif len(tables) == 1:
            tables = tables[0]
        yield {
            "conf": chance.choice(CONFS), "task_queues": chance.choice(QUEUES), "task_routes": tables,
            "name": chance.choice(NAMES), "options": chance.choice(OPTIONS),
        }


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    captured = [{**case, "destination": capture(case)} for case in cases()]
    # An exchange of two types is refused by the transport, whatever the router thinks.
    routed = [case for case in captured if case["destination"].get("error") != "NotEquivalentError"]
    lines = {json.dumps(case): None for case in routed}
    out.write_text("".join(f"{line}\n" for line in lines))
    print(f"{len(lines)} cases in {out}")


main()
