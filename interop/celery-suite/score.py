#!/usr/bin/env python3
"""What a run of the suite says of a worker, beside what a genuine one passes.

    score.py SERIES RESULTS.jsonl [RESULTS.jsonl ...]             the score; exits 1 when a test of the baseline did not pass
    score.py --baseline SERIES RESULTS.jsonl [RESULTS.jsonl ...]  makes baseline/SERIES.tsv of runs of a genuine worker
    score.py --table DOCUMENT SERIES=RESULTS.jsonl [...]          writes the scores into a Markdown document

The mark is what a genuine external worker of that series passes in every run its baseline was made of, and that sends
something to a worker: a test that passes without sending anything says nothing of the worker.
"""

import json
import sys
from collections import Counter
from pathlib import Path

BASELINES = Path(__file__).resolve().parent / "baseline"
# Tests of a run that may pass only when run again, beside those that Celery itself runs again.
SECOND_CHANCES = 1
COLUMNS = ["id", "outcomes", "attempts", "published", "seconds"]
BEGIN, END = "<!-- the suite's table: made by `cargo xtask interop --all` -->\n", "<!-- end of the suite's table -->\n"


def load(path):
    records = (json.loads(line) for line in Path(path).read_text().splitlines())
    return {record["id"]: record for record in records}


def merged(paths):
    return {name: record for path in paths for name, record in load(path).items()}


def mark(series):
    """The tests that judge a worker, and that a genuine one passes."""
    rows = [line.split("\t") for line in (BASELINES / f"{series}.tsv").read_text().splitlines()[1:]]
    return [row[0] for row in rows if set(row[1].split(",")) == {"passed"} and int(row[3])]


def write_baseline(series, paths):
    runs = [load(path) for path in paths]
    with open(BASELINES / f"{series}.tsv", "w") as out:
        print(*COLUMNS, sep="\t", file=out)
        for name in sorted(set().union(*runs)):
            found = [run[name] for run in runs if name in run]
            most = [max(record[column] for record in found) for column in COLUMNS[2:]]
            print(name, ",".join(record["outcome"] for record in found), *most, sep="\t", file=out)
    print(f"{series}: {len(mark(series))} tests judge a worker and pass")


def judged(series, records):
    """The mark, what of it was run, and what of that did not pass."""
    wanted = mark(series)
    ran = [name for name in wanted if name in records]
    return wanted, ran, [name for name in ran if records[name]["outcome"] != "passed"]


def why(record):
    return (record["why"].strip().splitlines() or [""])[-1][:160]


def report(series, records):
    wanted, ran, missed = judged(series, records)
    print("outcomes:", dict(Counter(record["outcome"] for record in records.values())))
    for file in sorted({name.split("::")[0] for name in ran}):
        of_file = [name for name in ran if name.startswith(file)]
        print(f"  {file}: {len([name for name in of_file if name not in missed])}/{len(of_file)}")
    print(f"{series}: {len(ran) - len(missed)} of {len(ran)} pass that a genuine worker passes; {len(wanted) - len(ran)} were not run")
    beyond = [name for name, record in records.items() if record["outcome"] == "passed" and record["published"]]
    beyond = sorted(set(beyond) - set(wanted))
    if beyond:
        print("beyond the genuine worker:", ", ".join(beyond))
    again = [name for name in ran if name not in missed and records[name].get("second_chance")]
    if again:
        print(f"passed when run again ({SECOND_CHANCES} may):", ", ".join(again))
    died = [name for name, record in records.items() if "worker_died" in record]
    if died:
        print(f"the worker died during {len(died)} tests, first: {died[0]}")
    for name in missed:
        print(f"  {records[name]['outcome']:8} {name}  {why(records[name])}")
    return 1 if missed or died or not ran or len(again) > SECOND_CHANCES else 0


def table(document, runs):
    """The section of the document between the two marks, made anew."""
    lines = ["| Celery | a genuine worker passes | ours passes | not passed |\n", "| --- | --- | --- | --- |\n"]
    for series, records in runs.items():
        wanted, _, _ = judged(series, records)
        missed = [name for name in wanted if records.get(name, {}).get("outcome") != "passed"]
        named = "; ".join(f"`{name}`: {why(records[name]) if name in records else 'not run'}" for name in missed)
        lines.append(f"| {series} | {len(wanted)} | {len(wanted) - len(missed)} | {named or 'none'} |\n")
    text = Path(document).read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    Path(document).write_text(before + BEGIN + "\n" + "".join(lines) + "\n" + END + after)


def main(words):
    if len(words) >= 3 and words[0] == "--baseline":
        return write_baseline(words[1], words[2:])
    if len(words) >= 3 and words[0] == "--table":
        pairs = [word.partition("=") for word in words[2:]]
        return table(words[1], {series: load(path) for series, _, path in pairs})
    if len(words) >= 2 and not words[0].startswith("-"):
        return report(words[0], merged(words[1:]))
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
