"""What a task does first: one line with its number and the time, appended in one write."""

import os
import time

_files = {}


def note(index, variable="BENCH_LEDGER"):
    """Appends a line to the file that an environment variable names."""
    key = (os.getpid(), variable)  # A forked child opens its own.
    if key not in _files:
        _files[key] = os.open(os.environ[variable], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_files[key], b"%d %d\n" % (index, time.time_ns()))
