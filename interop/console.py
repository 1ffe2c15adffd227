"""A Python caller that the tests drive: one expression a line on standard input, one line of JSON in answer.

    send("probe.greet", ["Ada"]).get(timeout=9)   ->  {"value": "'Hello, Ada!'"}
    send("probe.divide", [1, 0]).get(timeout=9)   ->  {"raised": "builtins.ZeroDivisionError", "says": "division by zero"}

So a test shows what a Python user would write. What an expression names with `:=` stays for the lines after it.
"""

import json
import sys

NAMES = {}
exec(
    "import datetime, decimal, math, time, uuid\n"
    "from celery import chain, chord, group, signature\n"
    "from celery.result import AsyncResult, GroupResult\n"
    "from app import app, add, echo, fail, progress\n"
    "send = app.send_task\n",
    NAMES,
)


def answer(line):
    try:
        return {"value": repr(eval(line, NAMES))}
    except Exception as error:
        return {"raised": f"{type(error).__module__}.{type(error).__name__}", "says": str(error)}


for line in sys.stdin:
    print(json.dumps(answer(line.strip())), flush=True)
