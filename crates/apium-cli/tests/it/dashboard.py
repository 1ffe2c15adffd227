"""Reads a dashboard as Grafana's own library of its schema does, and prints what that did not understand."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(ours, theirs, place=""):
    """Each place in `ours` that `theirs` has not, or otherwise."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{place}.{key} is not known"
            else:
                yield from lost(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (mine, its) in enumerate(zip(ours, theirs)):
            yield from lost(mine, its, f"{place}[{at}]")
    elif ours != theirs:
        yield f"{place} is read as {theirs!r}"


register_default_plugins()
written = json.load(open(sys.argv[1], encoding="utf-8"))
read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
complaints = list(lost(written, read))
print("\n".join(complaints))
sys.exit(1 if complaints else 0)
