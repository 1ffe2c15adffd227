"""Captures what a real Celery makes of canvases: one JSON line a case, gzipped, for crates/apium-protocol/tests/it/canvas*.

    .venvs/celery-5.7/bin/python interop/capture/canvas.py                # writes tests/golden/canvas.jsonl.gz
    .venvs/celery-5.6/bin/python interop/capture/canvas.py /tmp/5.6.gz    # another version, to compare

Nothing is sent: the client's door to the broker and the backend's doors to the store are replaced by notes, so the
case holds what would have been sent and stored, in order. Ids are counted, so that a capture repeats itself.
"""

import gzip
import itertools
import random
import sys
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
warnings.simplefilter("ignore")

import celery
import celery.app.base
import celery.canvas
import celery.utils
from celery import Celery, chain, chord, group, signature
from celery.app.trace import build_tracer
from celery.backends.redis import RedisBackend
from celery.canvas import _chain as raw_chain
from celery.canvas import maybe_signature
from kombu.utils.json import dumps, loads

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "crates/apium-protocol/tests/golden/canvas.jsonl.gz"

counter = itertools.count(1)


def fresh():
    return f"id-{next(counter)}"


for name in ("celery.canvas", "celery.app.base", "celery.utils", "kombu.utils.uuid"):
    sys.modules[name].uuid = fresh

notes = []


def append_once(self, key, value):
    """As Celery's, but lists and tuples of arguments are the same: on the wire they are, and so they are for Apium."""
    items = self._with_list_option(key) if hasattr(self, "_with_list_option") else self.options.setdefault(key, [])
    if plain(value) not in plain(items):
        items.append(value)
    return value


celery.canvas.Signature.append_to_list_option = append_once


def plain(value):
    return loads(dumps(value))


class Notes(RedisBackend):
    """A backend that notes what it is told."""

    def on_task_call(self, producer, task_id):
        pass

    def add_pending_result(self, result, weak=False, start_drainer=True):
        return result

    add_pending_results = remove_pending_result = add_pending_result

    def set_chord_size(self, group_id, chord_size):
        notes.append({"size": [group_id, chord_size]})

    def _set_chord_key(self, key, value):
        self.saved(key, loads(value)["result"])

    def save_group(self, group_id, result):
        self.saved(group_id, result.as_tuple())

    def saved(self, key, result):
        group = key.decode() if isinstance(key, bytes) else key
        notes.append({"save": [group.removeprefix("celery-taskset-meta-"), plain(result)]})

    def store_result(self, task_id, result, state, traceback=None, request=None, **kwargs):
        children = [child.as_tuple() for child in getattr(request, "children", None) or []]
        notes.append({"store": plain({
            "id": task_id, "state": state,
            "result": repr(result) if isinstance(result, Exception) else result,
            "group": getattr(request, "group", None), "parent": getattr(request, "parent_id", None),
            "children": children,
        })})

    def get_state(self, task_id):
        return "PENDING"

    def add_to_chord(self, group_id, result):
        notes.append({"grow": group_id})

    def on_chord_part_return(self, request, state, result, **kwargs):
        if request.group and request.id:
            notes.append({"part": plain({
                "id": request.id, "group": request.group, "index": request.group_index, "state": state,
                "chord": request.chord,
            })})


app = Celery("canvas", broker="memory://", backend="redis://127.0.0.1:1/0", set_as_current=True)
app.conf.update(task_create_missing_queues=True)
app.loader.override_backends = {"redis": f"{__name__}:Notes"}
app._local.backend = Notes(app=app, url="redis://127.0.0.1:1/0")
app.__dict__["thread_oid"] = "oid"
type(app).thread_oid = "oid"
app.backend_cls = Notes

delays = {}
original = app.amqp.create_task_message


def create(task_id, name, args, kwargs, countdown, eta, group_id, group_index, expires, *rest, **options):
    delays["now"] = {"countdown": countdown, "eta": plain(eta), "expires": plain(expires)}
    return original(task_id, name, args, kwargs, None, None, group_id, group_index, None, *rest, **options)


def send(producer, name, message, exchange=None, routing_key=None, queue=None, headers=None, **options):
    heads = {key: value for key, value in message.headers.items()
             if key not in ("argsrepr", "kwargsrepr", "origin", "lang", "eta", "expires")}
    known = {"queue": getattr(queue, "name", queue), "exchange": getattr(exchange, "name", exchange),
             "routing_key": routing_key, "headers": headers}
    other = {key: value for key, value in options.items() if value is not None and key != "expiration"}
    notes.append({"send": plain({
        "headers": heads, "body": message.body, "reply_to": message.properties["reply_to"],
        "delivery": known, "other": other, **delays["now"],
    })})


app.amqp.__dict__["create_task_message"] = create
app.amqp.__dict__["send_task_message"] = send


def result_of(result):
    return None if result is None else plain(result.as_tuple())


def define(name, function, **options):
    return app.task(name=name, typing=False, lazy=False, **options)(function)


def anything(*args, **kwargs):
    return None


def one_argument(task_id):
    return None


def three_arguments(request, exc, traceback):
    notes.append({"called": [request.id, repr(exc)]})


tasks = [define(f"app.{letter}", anything) for letter in "abcde"]
old = define("app.old", one_argument)
new = define("app.new", three_arguments)
a, b, c, d, e = tasks
app.finalize()


# --- the cases -------------------------------------------------------------------------------------------------

cases = []


def attempt(case, act):
    """Notes what `act` does, or that it cannot be done."""
    notes.clear()
    try:
        case.update(act() or {})
    except Exception as error:
        case["error"] = f"{type(error).__name__}: {error}"[:200]
    case["notes"] = list(notes)
    cases.append(case)
    return case


def wire(sig):
    """A signature as it stands on the wire, and says what it is where Celery is silent."""
    if type(sig).__name__ in ("chunks", "xmap", "xstarmap"):
        return plain(dict(sig, subtask_type=type(sig).__name__))
    return plain(sig)


def read(sig):
    return signature(plain(sig), app=app)


def plan(name, sig, *args, call=None, **kwargs):
    """What a client sends."""
    call = call or {}
    sig = wire(sig)
    attempt({"kind": "plan", "name": name, "input": sig, "args": list(args), "kwargs": kwargs, "options": plain(call)},
            lambda: {"result": result_of(read(sig).apply_async(args, kwargs, **call))})


def law(op, sig, *others, **options):
    """What a composition, a link, a stamp or a copy makes of a signature."""
    sig, others = wire(sig), [wire(other) for other in others]

    def act():
        made = read(sig)
        if op == "or":
            made = made | read(others[0])
        elif op == "chain":
            made = chain([read(one) for one in (sig, *others)])
        elif op == "link":
            made.link(read(others[0]))
        elif op == "link_error":
            made.link_error(read(others[0]))
        elif op == "immutable":
            made.set_immutable(True)
        elif op == "clone":
            made = made.clone(tuple(options["args"]), options["kwargs"], **options["options"])
        elif op == "stamp":
            made.stamp(append_stamps=options["append"], **options["stamps"])
        return {"made": plain(made)}

    attempt({"kind": "law", "op": op, "input": sig, "others": others, **plain(options)}, act)


class Inside:
    """A worker's view: a task that is just running."""

    def __init__(self, **request):
        self.request = {"id": "current", "root_id": "root", "parent_id": None, "group": None, "group_index": None,
                        "delivery_info": {}, "callbacks": None, "errbacks": None, "chain": None, "chord": None,
                        "replaced_task_nesting": 0, "args": [], "kwargs": {}, **plain(request)}

    def run(self, kind, name, function, **extra):
        def act():
            def body(self):
                return function(self)

            task = define(f"run.{fresh()}", body, bind=True)
            tracer = build_tracer(task.name, task, app=app)
            request = dict(plain(self.request), task="app.run")
            tracer(request["id"], [], {}, request)

        attempt({"kind": kind, "name": name, "request": self.request, **plain(extra)}, act)


def fail(self):
    raise ValueError("boom")


def success(name, value=7, **request):
    Inside(**request).run("success", name, lambda task: value, value=value)


def failure(name, **request):
    Inside(**request).run("failure", name, fail)


def replaced(name, sig, **request):
    sig = plain(sig)
    Inside(**request).run("replace", name, lambda task: task.replace(read(sig)), input=sig)


def added(name, sig, **request):
    sig = plain(sig)
    Inside(**request).run("add", name, lambda task: task.add_to_chord(read(sig)) and None, input=sig)


def within(kind, name, function, **extra):
    """Something the backend does while a task ends."""
    def act():
        from celery._state import _task_stack
        a.push_request(id="current", root_id="root", delivery_info={}, called_directly=False)
        _task_stack.push(a)
        try:
            function()
            return {"children": [result_of(child) for child in a.request.children]}
        finally:
            _task_stack.pop()
            a.pop_request()

    attempt({"kind": kind, "name": name, **plain(extra)}, act)


def completed(name, body, values):
    """The parts of a chord are there."""
    body = plain(body)
    within("done", name, lambda: maybe_signature(plain(body), app=app).delay(values), input=body, values=values)


def revoked(ids, **kwargs):
    notes.append({"revoke": ids})


def broken(name, body):
    """A part of a chord has failed."""
    body = plain(body)

    def act():
        app.control.revoke = revoked
        error = celery.exceptions.ChordError("Dependency x raised ValueError('boom')")
        error.__cause__ = ValueError("boom")
        try:
            raise error
        except celery.exceptions.ChordError as raised:
            app.backend.chord_error_from_stack(maybe_signature(plain(body), app=app), raised)

    within("broken", name, act, input=body)


def frozen_body(sig, group_id="G"):
    """A body as it stands in a message of a header task."""
    notes.clear()
    chord([a.s(1), b.s(2)], sig).apply_async()
    return next(note["send"]["body"][2]["chord"] for note in notes if "send" in note)


def frozen_rest(sig):
    """The rest of a chain as it stands in the message of its first step."""
    notes.clear()
    sig.apply_async()
    return next(note["send"]["body"][2]["chain"] for note in notes if "send" in note)


def hand_written():
    single = a.s(1, x=2)
    plan("task", single)
    plan("partial", b.s(2), 1)
    plan("partial with kwargs", b.s(2, x=1), 1, x=3, y=4)
    plan("immutable takes nothing", b.si(2, x=1), 1, x=3)
    plan("options", a.s().set(queue="q", priority=3, countdown=5, expires=60, time_limit=9, soft_time_limit=8.5,
                              shadow="s", headers={"h": 1}, ignore_result=True, app_id="shop", serializer="json"))
    plan("call overrides options", a.s().set(queue="q", priority=3), call={"queue": "r", "countdown": 2, "priority": None})
    plan("exchange", a.s().set(exchange="ex", routing_key="rk"))
    plan("ids given", a.s().set(task_id="T", root_id="R", parent_id="P", group_id="G", group_index=4, reply_to="me"))
    plan("group id stays", a.s().set(group_id="G"), call={"group_id": "H", "task_id": "T"})
    plan("links", a.s().set(link=b.s(), link_error=[old.s(), new.s()]))
    plan("links in the call", a.s().set(link=b.s()), call={"link": c.s()})
    plan("stamped", stamped(a.s(), s="v", many=[1, 2]))
    plan("stamps stay", stamped(a.s(), s="v"), call={"s": "w", "stamped_headers": ["s", "t"], "t": 1})

    plan("chain", chain(a.s(1), b.s(2), c.s(3)))
    plan("chain of one", chain(a.s(1),))
    plan("raw chain of one", raw_chain([a.s(1)]))
    plan("empty chain", raw_chain([]))
    plan("chain with args", chain(a.s(1), b.s(2)), 9, x=1)
    plan("chain with links", raw_chain([a.s(1), b.s(2), c.si()], link=[d.s()], link_error=[old.s(), new.s(1)]))
    plan("chain with options", raw_chain([a.s(1), b.s(2)], queue="q", countdown=3, task_id="LAST", root_id="R"))
    plan("chain in a chain", raw_chain([raw_chain([a.s(1), b.s()]), c.s(), raw_chain([d.s(), raw_chain([e.s()])])]), 5)
    plan("chain with a chain behind", chain(a.s(1), b.s()), call={"chain": plain([c.s(), d.s()])})
    plan("chain in a group by the call", raw_chain([a.s(), b.s()]),
         call={"group_id": "G", "group_index": 2, "chord": plain(c.s()), "link": plain([d.s()])})

    g = group(a.s(1), b.s(2))
    plan("group", g)
    plan("group of one", group(a.s(1)))
    plan("empty group", group([]))
    plan("group with args", group(a.s(1), b.si(2), c.s(x=1)), 9, x=3)
    plan("group with options", group(a.s(1), b.s(2), task_id="G", queue="q", root_id="R", parent_id="P"))
    plan("group in a group", group(a.s(1), group(b.s(2), group(c.s(3), d.s(4))), e.s(5)))
    plan("group with a chain", group(chain(a.s(1), b.s()), c.s()))
    plan("group of an empty chain", group([raw_chain([]), a.s()]))
    plan("group of a chain that ends in a group", group([chain(a.s(), group(b.s(), c.s()))]))
    plan("group linked", g, call={"link": plain(c.s())})
    plan("group with its own links", group([a.s().set(link=[c.s()]), b.s()], link=[d.s()], link_error=[old.s()]))
    plan("group with a chord option", group([a.s(), b.s()], chord=plain(c.s()), task_id="G"))

    plan("chord", chord([a.s(1), b.s(2), c.s(3)], d.s()))
    plan("chord of one", chord([a.s(1)], d.s()))
    plan("chord of none", chord([], d.s(1)))
    plan("chord of a group", chord(group(a.s(1), group(b.s(2), c.s(3))), d.s()))
    plan("chord of groups", chord([group(a.s(1), b.s(2)), c.s(3)], d.s()))
    plan("chord of chains", chord([chain(a.s(1), b.s()), chain(c.s(1), group(d.s(), e.s()))], d.s()))
    plan("chord of chords", chord([chord([a.s(1), b.s(2)], c.s()), d.s(4)], e.s()))
    plan("chord with a chain body", chord([a.s(1), b.s(2)], chain(c.s(), d.s(), e.s())))
    plan("chord with a group body", chord([a.s(1), b.s(2)], group(c.s(), d.s())))
    plan("chord with a group led chain body", chord([a.s(1), b.s(2)], raw_chain([group(c.s(), d.s()), e.s()])))
    plan("chord with a chord body", chord([a.s(1), b.s(2)], chord([c.s(), d.s()], e.s())))
    plan("chord with a long body", chord([a.s(1)], raw_chain([b.s(), chord([c.s(), d.s()], chain(e.s(), a.s())), b.s()])))
    plan("chord with args", chord([a.s(1), b.si(2)], c.s()), 9, x=1)
    plan("chord with options", chord([a.s(1), b.s(2)], c.s(), countdown=5, queue="q", task_id="T", root_id="R"))
    plan("chord with call options", chord([a.s(1), b.s(2)], c.s()),
         call={"countdown": 5, "eta": "2030-01-01T00:00:00+00:00", "queue": "q", "task_id": "T", "parent_id": "P"})
    plan("chord linked", chord([a.s(1), b.s(2)], c.s(), link=[d.s()], link_error=[old.s()]))
    plan("chord linked by the call", chord([a.s(1), b.s(2)], group(c.s(), d.s())),
         call={"link": plain(e.s()), "link_error": plain([old.s(), new.s()])})
    plan("chord with a linked group body", chord([a.s(1)], group([c.s(), d.s()], link_error=[])),
         call={"link_error": plain([old.s()])})
    plan("chord with an immutable body", chord([a.s(1), b.s(2)], c.si(5)))
    plan("chord with an empty group body", chord([a.s(1), b.s(2)], group([])))
    plan("chord of empty chains", chord([raw_chain([]), a.s()], c.s()))

    plan("group then task", chain(a.s(1), group(b.s(), c.s()), d.s()))
    plan("raw group then task", raw_chain([a.s(1), group(b.s(), c.s()), d.s()]))
    plan("raw group first", raw_chain([group(b.s(), c.s()), d.s(), e.s()]), 3)
    plan("group then group", raw_chain([group(a.s(1), b.s(2)), group(c.s(), d.s())]))
    plan("three groups", raw_chain([group(a.s(1), b.s(2)), group(c.s(), d.s()), group(e.s(), a.s())]))
    plan("groups and tasks", raw_chain([a.s(), group(b.s(), c.s()), group(c.s(), d.s()), e.s(), group(a.s(), b.s()), e.s(), d.s()]), 1)
    plan("chain ends in a group", chain(a.s(1), group(b.s(), c.s())))
    plan("chain ends in a group of one", raw_chain([a.s(1), group(b.s())]))
    plan("chain with empty groups", raw_chain([group([]), a.s(1), group([]), b.s(), group([])]), 4)
    plan("chain of empty groups", raw_chain([group([]), group([])]))
    plan("chain of an empty group and chain", raw_chain([group([]), raw_chain([])]))
    plan("chain with errbacks and a chord", raw_chain([a.s(1), chord([b.s(), c.s()], d.s()), e.s()], link_error=[old.s()]))
    plan("chain with errbacks and a group", raw_chain([a.s(1), group(b.s(), c.s()), e.s()], link_error=[old.s(), new.s()]))
    plan("chain ends in a chord with links", raw_chain([a.s(1), chord([b.s(), c.s()], d.s())], link=[e.s()]))
    plan("chain ends in a group with links", raw_chain([a.s(1), group(b.s(), c.s())], link=[e.s()]))
    plan("chord first", raw_chain([chord([a.s(1), b.s(2)], c.s()), d.s(), e.s()]), 4)
    plan("two chords", raw_chain([chord([a.s(1), b.s(2)], c.s()), chord([a.s(1), b.s(2)], d.s())]))
    plan("chord in a group with a chain body", group(chord([a.s(1)], chain(b.s(), c.s())), d.s()))
    plan("nested deep", chain(group(chain(group(a.s(1), b.s(2)), c.s()), d.s(1)), group(e.s(), chain(a.s(), group(b.s(), c.s()))), d.s()))
    plan("stamped chord", stamped(chord([a.s(1), chain(b.s(), c.s())], d.s().on_error(old.s())), s="v"))

    plan("chunks", a.chunks([(i, i) for i in range(7)], 3))
    plan("chunks of a multiple", a.chunks([(1,), (2,)], 1).set(queue="q"))
    plan("map", a.map([1, 2]))
    plan("starmap", a.starmap([(1, 2)]).set(queue="q", link=b.s()))
    plan("group with chunks", group(a.chunks([(1,)], 1), a.map([1])))
    plan("chain with a map", chain(a.map([1]), b.s()))
    plan("chunks in a wire form", dict(plain(a.chunks([(1,)], 1))))


def stamped(sig, append=False, **stamps):
    sig.stamp(append_stamps=append, **stamps)
    return sig


def laws():
    g, gg, one, none = group(a.s(1), b.s(2)), group(c.s(), d.s()), group(e.s()), group([])
    ch = chord([a.s(1), b.s(2)], c.s())
    ch2 = chord([a.s(), d.s()], chain(e.s(), a.s()))
    ab, bc = chain(a.s(1), b.s()), raw_chain([b.s(), group(c.s(), d.s())])
    linked = raw_chain([a.s(), b.s()], link=[c.s()], link_error=[old.s()])
    mixed = raw_chain([a.s(), chord([b.s()], c.s())])
    double = raw_chain([a.s(), chord([b.s()], c.s()), group(d.s(), e.s())])
    every = [a.s(1), b.si(), g, gg, one, none, ch, ch2, ab, bc, linked, mixed, double, raw_chain([]), a.map([1])]
    for left in every:
        for right in every:
            law("or", left, right)
        law("link", left, e.s(5))
        law("link", left, ab)
        law("link_error", left, old.s())
        law("link_error", left, g)
        law("immutable", left)
        law("clone", left, args=[], kwargs={}, options={})
        law("clone", left, args=[8], kwargs={"k": 1}, options={"queue": "q", "group_id": "G"})
        for append in (False, True):
            law("stamp", stamped(left.clone(), s="old", l=[1]), append=append, stamps={"s": "new", "t": {"x": 1}})
    law("link_error", chord([ch, a.s()], d.s()), old.s())
    law("link", a.s().set(link=b.s()), c.s())
    law("link", a.s().set(link=b.s()), b.s())
    law("stamp", a.s().set(link=b.s(), link_error=[chain(c.s(), d.s())]), append=True, stamps={"s": 1})
    law("stamp", raw_chain([a.s().set(link=[b.s()])], link=[stamped(b.s(), s=0)]), append=True, stamps={"s": 1})
    picks = random.Random(5)
    for _ in range(150):
        law("chain", *[picks.choice(every) for _ in range(picks.randint(1, 6))])


def work():
    """The worker's side."""
    success("nothing follows")
    success("one callback", callbacks=[b.s(1)])
    success("an immutable callback", callbacks=[b.si(1)])
    success("two callbacks", callbacks=[b.s(1), c.s()])
    success("a group as callback", callbacks=[group(b.s(1), c.s())])
    success("groups among callbacks", callbacks=[group(b.s(1), c.s()), d.s(), group(e.s())])
    success("a chain as callback", callbacks=[chain(b.s(1), c.s())])
    success("a chord as callback", callbacks=[chord([b.s(1), c.s()], d.s())])
    success("chains and chords among callbacks", callbacks=[chain(b.s(1), c.s()), chord([b.s(1), c.s()], d.s())])
    success("a map as callback", callbacks=[b.map([1])])
    success("chunks as callback", callbacks=[b.chunks([(1,)], 1)])
    success("a list", value=[1, 2], callbacks=[b.s(1)])
    success("stamped callbacks", callbacks=[stamped(b.s(1), s="v"), stamped(group(c.s(), d.s()), s="w")])
    whole = [
        chain(a.s(), b.s()),
        chain(a.s(), b.s(), c.s(), d.s()),
        chain(a.s(), group(b.s(), c.s())),
        chain(a.s(), group(b.s(), c.s()), d.s()),
        chain(a.s(), group(b.s(), c.s()), d.s(), e.s()),
        chain(a.s(), chord([b.s(), chain(c.s(), d.s())], chain(e.s(), a.s())), b.s()),
        chain(a.s(), group(b.s(), group(c.s(), d.s())), group(e.s(), a.s()), b.s()),
        chain(a.s(), group(b.s(), chord([c.s(), d.s()], e.s())), a.s()),
        raw_chain([a.s(), b.s(), c.s()], link_error=[old.s(), new.s()], link=[d.s()]),
        raw_chain([a.s(), group(b.s(), c.s()), d.s()], link_error=[old.s()]),
    ]
    for place, sig in enumerate(whole):
        rest = frozen_rest(sig)
        success(f"a step of chain {place}", chain=rest)
        failure(f"a failed step of chain {place}", chain=rest)
        success(f"a step of chain {place} and a callback", chain=rest, callbacks=[e.s()])
        replaced(f"a replaced step of chain {place}", c.s(9), chain=rest)
        replaced(f"a step of chain {place} replaced by a group", group(c.s(9), d.s()), chain=rest)
        replaced(f"a step of chain {place} replaced by a chain", chain(c.s(9), d.s()), chain=rest, errbacks=[old.s()])
    success("a whole chain in the chain", chain=[raw_chain([b.s(), c.s()]), raw_chain([d.s(), e.s()])])

    failure("nothing follows")
    failure("an old errback", errbacks=[old.s()])
    failure("a new errback", errbacks=[new.s()])
    failure("both errbacks", errbacks=[new.s(), old.s(), old.s(1), {"task": "far.away", "args": [], "kwargs": {},
                                       "options": {"queue": "q"}, "subtask_type": None, "immutable": False}])
    failure("an immutable errback", errbacks=[old.si()])
    failure("a group as errback", errbacks=[group(old.s(), b.s())])
    in_chord = {"group": "G", "group_index": 2, "chord": frozen_body(d.s())}
    failure("a part", **in_chord)
    success("a part", **in_chord)
    failure("a part with the rest of a chain", chain=frozen_rest(chain(a.s(), b.s())), **in_chord)
    chained = group(chain(a.s(1), b.s(2), c.s(3)), d.s())
    notes.clear()
    chord(chained, e.s()).apply_async()
    for note in [note for note in notes if "send" in note]:
        heads, body = note["send"]["headers"], note["send"]["body"]
        request = {"group": heads["group"], "group_index": heads["group_index"], "chord": body[2]["chord"], "chain": body[2]["chain"]}
        failure("a header of a chain", **request)
        success("a header of a chain", **request)

    sigs = [
        b.s(1), b.si(1), b.s(1).set(link=[c.s()], link_error=[d.s()], queue="q"), group(b.s(1), c.s(2)), group(b.s(1)),
        chain(b.s(1), c.s()), chain(b.s(1), group(c.s(), d.s())), raw_chain([]), chord([b.s(1), c.s()], d.s()),
        chain(group(b.s(1), c.s(2)), d.s()), raw_chain([b.s(1), chord([c.s()], d.s())]), b.map([1]),
        b.s(1).set(chord=plain(c.s())), stamped(b.s(1), s="v"), raw_chain([b.s(1), c.s()], link=[d.s()]),
        chord([b.s(1), c.s()], group(d.s(), e.s())), raw_chain([b.s(), group(c.s(), d.s()), e.s()]),
    ]
    requests = {
        "": {},
        "linked ": {"callbacks": [d.s(4)], "errbacks": [old.s()]},
        "in a chord ": in_chord,
        "in a group ": {"group": "G", "group_index": 3, "replaced_task_nesting": 4},
    }
    for label, request in requests.items():
        for place, sig in enumerate(sigs):
            replaced(f"{label}by {place}", sig, **request)
            added(f"{label}{place}", sig, **request)

    bodies = [
        d.s(), d.si(1), d.s(x=1).set(link=[e.s()], link_error=[old.s()], queue="q"), d.s().on_error(new.s()),
        group(d.s(), e.s()), group(d.s().on_error(old.s()), e.s().on_error(new.s())), chain(d.s(), e.s()),
        raw_chain([d.s(), e.s()], link_error=[old.s()]), raw_chain([group(a.s(), d.s()), e.s()]),
        chord([d.s(), e.s()], a.s()), group(chord([d.s()], e.s().on_error(old.s())), a.s()),
        group([d.s(), e.s()], link_error=[old.s(), old.s(2)]), group(chain(d.s(), e.s()), a.s()), group([]),
        stamped(d.s(), s="v"), chord([d.s(), e.s()], group(a.s(), b.s())),
    ]
    for place, body in enumerate(bodies):
        for label, frozen in (("frozen", frozen_body(body)), ("as written", body)):
            if not frozen:
                continue  # the body of an empty group is not sent at all
            completed(f"body {place} {label}", frozen, [1, {"k": 2}])
            broken(f"body {place} {label}", frozen)
    rest = frozen_rest(raw_chain([a.s(1), group(b.s(), c.s()), d.s()], link_error=[old.s()]))
    body = d.s().set(task_id="B", chain=rest)
    completed("a body with a chain behind", body, [1])
    broken("a body with a chain behind", body)
    broken("a group body with a chain behind", group([d.s(), e.s()], chain=rest, task_id="X"))


# Options of a call, and of a signature itself.
CALLS = [
    {"queue": "z"}, {"countdown": 4}, {"link": d.s()}, {"link_error": [old.s()]}, {"root_id": "R", "parent_id": "P"},
    {"task_id": "T", "chain": [e.s()]}, {"group_id": "G", "group_index": 3, "chord": e.s()}, {"s": 1, "stamped_headers": ["s"]},
    {"eta": "2030-01-01T00:00:00+00:00"}, {"shadow": "x"}, {"priority": None}, {"retries": 2}, {"replaced_task_nesting": 1},
    {"add_to_parent": False}, {"headers": {"h": 1}}, {"reply_to": "me"}, {"ignore_result": True}, {"expires": 9, "time_limit": 2},
]
OPTIONS = [
    {"queue": "q"}, {"countdown": 3}, {"priority": 2}, {"x-own": [1]}, {"link": [b.s()]}, {"link": c.s()}, {"link_error": old.s()},
    {"ignore_result": True}, {"root_id": "R"}, {"parent_id": "P"}, {"group_id": "G"}, {"group_index": 7}, {"reply_to": "me"},
    {"chord": e.s()}, {"chain": [d.s()]}, {"priority": None}, {"countdown": None}, {"group_id": None}, {"chord": None},
]


def random_canvas(picks, depth):
    kinds = ["task"] * 4 if depth == 0 else ["task", "task", "chain", "raw", "group", "chord", "or", "or"]
    kind = picks.choice(kinds)
    some = lambda low, high: [random_canvas(picks, depth - 1) for _ in range(picks.randint(low, high))]
    if kind == "task":
        sig = picks.choice(tasks).s(*range(picks.randint(0, 2)), **({"k": 1} if picks.random() < 0.2 else {}))
        if picks.random() < 0.15:
            sig.set(immutable=True)
    elif kind == "chain":
        sig = chain(*some(1, 4))
    elif kind == "raw":
        sig = raw_chain(some(0, 4))
    elif kind == "group":
        sig = group(some(0 if picks.random() < 0.2 else 1, 4))
    elif kind == "chord":
        sig = chord(some(0 if picks.random() < 0.1 else 1, 3), random_canvas(picks, depth - 1))
    else:
        left, right = some(2, 2)
        sig = left | right
    if picks.random() < 0.12 and not isinstance(sig, (group, chord)):
        sig.link(random_canvas(picks, min(depth - 1, 1)) if depth else e.s())
    if picks.random() < 0.12:
        sig.link_error(picks.choice([old.s(), new.s(), old.s(1)]))
    if picks.random() < 0.1:
        sig.set(**plain(picks.choice(OPTIONS)), **({"task_id": fresh()} if picks.random() < 0.2 else {}))
    if picks.random() < 0.07:
        sig.stamp(append_stamps=picks.random() < 0.5, **{picks.choice("st"): picks.choice([1, "v", [2], {"m": 3}])})
    return sig


def random_cases(count):
    """Canvases made up at random; each is sent, or put where a worker meets it."""
    made = 0
    for seed in itertools.count(1):
        if made == count:
            return
        picks = random.Random(seed)
        try:
            sig = random_canvas(picks, picks.choice([1, 2, 2, 3]))
        except Exception:
            continue  # what cannot even be put together
        if len(dumps(wire(sig))) > 5000:
            continue
        if picks.random() < 0.2:
            try:
                sig.freeze()  # as peers before 5.7 put it into messages: with the body in every task of a header
            except Exception:
                continue
        if len(dumps(wire(sig))) > 8000:
            continue
        made += 1
        name = f"seed {seed}"
        if picks.random() < 0.6:
            call = {}
            for _ in range(picks.choice([0, 0, 1, 1, 2])):
                call.update(plain(picks.choice(CALLS)))
            plan(name, sig, *range(picks.choice([0, 0, 1])), call=call, **picks.choice([{}, {}, {"k": 2}]))
            continue
        try:
            met(name, sig, picks.choice(["success", "step", "failed step", "part", "done", "broken", "replace", "replaced step"]), picks)
        except (IndexError, StopIteration, TypeError, AttributeError):
            continue  # what no message holds


def met(name, sig, where, picks):
    """Puts a canvas where a worker meets it."""
    if where == "success":
        success(name, callbacks=[sig, e.s()][:picks.randint(1, 2)])
    elif where in ("step", "failed step", "replaced step"):
        rest = frozen_rest(raw_chain([a.s(), sig]))
        if where == "step":
            success(name, chain=rest)
        elif where == "failed step":
            failure(name, chain=rest)
        else:
            replaced(name, b.s(1), chain=rest)
    elif where == "part":
        notes.clear()
        chord([sig, a.s()], b.s()).apply_async()
        heads, body = next((note["send"]["headers"], note["send"]["body"]) for note in notes if "send" in note)
        request = {"group": heads["group"], "group_index": heads["group_index"], **body[2]}
        failure(name, **request) if picks.random() < 0.5 else success(name, **request)
    elif where == "replace":
        replaced(name, sig, errbacks=[old.s()])
    else:
        body = frozen_body(sig)
        if body:
            completed(name, body, [1, 2]) if where == "done" else broken(name, body)


def main():
    hand_written()
    laws()
    work()
    random_cases(int(sys.argv[2]) if len(sys.argv) > 2 else 1200)
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    lines = "".join(dumps(case) + "\n" for case in cases)
    out.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    failed = [case for case in cases if "error" in case]
    print(f"{len(cases)} cases, {len(failed)} refused, {len(lines)} bytes, {out.stat().st_size} compressed")


if __name__ == "__main__":
    main()
