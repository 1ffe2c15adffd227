"""Flower on an Apium worker beside Flower on a genuine Celery worker: every page, every button, compared.

    .venvs/flower-2.2/bin/python interop/flower/check.py SCREENSHOTS [--worker "PROGRAM worker"] [--only apium|genuine]

Prints what was pressed, what Flower answered and what the worker did as a Markdown table, then what the pages of ours
lack that a genuine worker's show. Exit code 1 when a button does not do what it promises, when Flower answers otherwise
than for a genuine worker, or when a page lacks something, but for the differences told of in `ACCEPTED`.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BLANK = ("", "—", "None", "null", "NaN", "undefined", "N/A")

# Where ours is meant to differ: the start of a row's name or of `page: label`, and why.
ACCEPTED = {
    "Grow 2": "slots are no processes: max-concurrency tells how many there are, Celery's how many it began with",
    "Shrink 2, all busy": "a slot goes when its task ends; Celery refuses while all its processes are busy",
    "Shrink 2, idle": "slots are no processes",
    "Revoke, task behind busy slots": "nothing leaves its queue before a slot is free for it: Flower does not know it",
    "Soft timeout 1": "a limit set by remote control counts at once; Celery 5.7 says it is set and never looks at it",
    "Hard timeout 1": "as the soft one",
    "worker, pool: Worker pool options: Writes": "there are no pipes to child processes",
    "worker, tasks: Reserved tasks": "nothing is taken from a queue before a slot is free for it",
    "worker, config: Configuration options: broker_connection_retry_on_startup": "set in the genuine one's application",
    "worker, config: Configuration options: worker_disable_prefetch": "nothing is fetched ahead",
    "worker, config: Configuration options: include": "tasks are compiled in",
    "API: workers: reserved": "nothing is taken from a queue before a slot is free for it",
    "celery inspect stats: .pool.writes": "there are no pipes to child processes",
    "celery inspect memsample": "Celery has an answer only where psutil is installed",
    "celery events --dump: task revoked": "one revoked in its queue was never received: nothing is taken ahead",
    "celery inspect reserved": "nothing is taken from a queue before a slot is free for it",
}


def accepted(name):
    return next((why for start, why in ACCEPTED.items() if name.startswith(start)), None)


def start(command, shots):
    """A peer with its screenshots in a folder of its own; gives process and result file."""
    shots.mkdir(parents=True, exist_ok=True)
    target = shots / "found.json"
    target.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, HERE / "peer.py", command, shots, target], env=environment), target


def finish(child, target):
    if child.wait() != 0 or not target.exists():
        sys.exit(f"the check of {target.parent} came to nothing: exit code {child.returncode}")
    return json.loads(target.read_text())


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ") or "–"


def compare_rows(ours, theirs):
    """The table, and the names of the rows that are not as they should be."""
    genuine = {row[0]: row for row in theirs}
    amiss = []
    print("| pressed or looked at | Flower's answer | effect | a genuine worker | |\n| --- | --- | --- | --- | --- |")
    for name, answer, effect, wanted in ours:
        _, their_answer, their_effect, _ = genuine.get(name, (name, answer, effect, wanted))
        same = (answer, effect) == (their_answer, their_effect)
        verdict = "good" if effect == wanted and same else accepted(name) or "**AMISS**"
        if verdict == "**AMISS**":
            amiss.append(
                f"{name}: {answer!r}, {effect!r}; genuine {their_answer!r}, {their_effect!r}; wanted {wanted!r}"
            )
        beside = "the same" if same else f"{their_answer}; {their_effect}"
        print("|", " | ".join(cell(text) for text in (name, answer, effect, beside, verdict)), "|")
    amiss += [f"{name}: not come to" for name in genuine.keys() - {row[0] for row in ours} if not accepted(name)]
    return amiss


def compare_pages(ours, theirs):
    """What a genuine worker's pages show and ours do not, or leave blank; what is hidden or undefined on ours."""
    lacking = []
    for page, labels in theirs.items():
        for label, value in labels.items():
            there = ours.get(page, {})
            name = f"{page}: {label}"
            if label not in there:
                lacking.append((name, f"missing; genuine {str(value)[:100]!r}"))
            elif str(there[label]) in BLANK and str(value) not in BLANK or there[label] == [] != value:
                lacking.append((name, f"{there[label]!r}; genuine {str(value)[:100]!r}"))
            elif page.startswith("celery inspect") and there[label] != value:
                lacking.append((name, f"{there[label]}; genuine {value}"))
    for page, labels in ours.items():
        odd = ("undefined", "NaN", "********")
        lacking += [(f"{page}: {label}", f"{value!r}") for label, value in labels.items() if str(value) in odd]
    print("\n| on a page of ours | it is | |\n| --- | --- | --- |")
    for name, what in lacking:
        print(f"| {cell(name)} | {cell(what)} | {accepted(name) or '**AMISS**'} |")
    return [f"{name}: {what}" for name, what in lacking if not accepted(name)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("screenshots", type=Path)
    parser.add_argument("--worker", default=f"{ROOT / 'target/debug/examples/probe'} worker")
    parser.add_argument("--genuine", default=f"{ROOT / '.venvs/celery-5.7/bin/celery'} -A tasks worker")
    parser.add_argument("--only", choices=["apium", "genuine"])
    return parser.parse_args()


def main():
    told, begun = arguments(), time.monotonic()
    commands = {"apium": told.worker, "genuine": told.genuine}
    wanted = [told.only] if told.only else list(commands)
    shots = told.screenshots.resolve()
    children = {kind: start(commands[kind], shots / kind) for kind in wanted}
    found = {kind: finish(*child) for kind, child in children.items()}
    ours, theirs = found[wanted[0]], found[wanted[-1]]
    print(f"Flower {importlib.metadata.version('flower')}, {' beside '.join(wanted)}\n")
    amiss = compare_rows(ours["rows"], theirs["rows"]) + compare_pages(ours["pages"], theirs["pages"])
    print(f"\n{len(ours['rows'])} rows, {len(amiss)} amiss, {time.monotonic() - begun:.0f} s; screenshots in {shots}")
    print("".join(f"- {one}\n" for one in amiss))
    sys.exit(1 if amiss else 0)


main()
