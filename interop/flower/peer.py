"""One worker, seen and steered through Flower; what was found goes to a JSON file. `check.py` runs this for each kind.

APIUM_REDIS is set here: Celery's applications want their broker before they are imported.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import stage


def play(pages, cluster, worker):
    """All there is to see and to press, in an order that leaves the worker alive to the last."""
    import buttons
    import looks
    import words

    found = {"rows": [], "pages": {}}
    for step in looks.STEPS + words.STEPS + buttons.STEPS:
        begun = time.monotonic()
        for thing in guarded(step, pages, cluster):
            if isinstance(thing, buttons.Row):
                found["rows"].append(thing)
            else:
                found["pages"].update(thing)
        print(f"  {step.__name__}: {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)
    found["rows"] += guarded(buttons.shut_down, pages, cluster, worker)
    complaints = pages.complaints()
    found["rows"].append(buttons.Row("The browser's console", "", "\n".join(complaints) or "silent", "silent"))
    found["rows"] = [[buttons.plain(cell) for cell in row] for row in found["rows"]]
    return found


def guarded(step, *arguments):
    """What a step found before it came to grief, and the grief as a row."""
    import buttons

    try:
        yield from step(*arguments)
    except Exception as error:  # noqa: BLE001
        yield buttons.Row(
            f"{step.__name__}, cut short", "", f"{type(error).__name__}: {str(error).splitlines()[:1]}", "nothing"
        )


def main():
    command, shots, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="flower-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with stage.redis(folder) as url:
            os.environ["APIUM_REDIS"] = url
            from cluster import Cluster
            from pages import Pages

            with stage.flower(url, shots) as address, stage.worker(command, url, shots) as worker:
                with stage.browser(folder) as driver:
                    found = play(Pages(driver, address, shots), Cluster(folder), worker)
    target.write_text(json.dumps(found, indent=1))


main()
