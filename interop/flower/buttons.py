"""Every button and field of Flower, pressed; what Flower answers, and what the worker then really does."""

import json
import re
import time
from typing import NamedTuple

from stage import NODE, TooLate, until


class Row(NamedTuple):
    """A line of the table: `wanted` is the effect that the button promises."""

    button: str
    answer: str
    effect: str
    wanted: str


def plain(text):
    """The same words whatever the ids, ports and folders of the day."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", str(text))
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", text)


def holds(probe, seconds=5):
    """Whether it comes true in time."""
    try:
        return bool(until(probe, "", seconds))
    except TooLate:
        return False


def size(cluster):
    pool = cluster.pool()
    return f"max-concurrency {pool['max-concurrency']}, {len(pool['processes'])} processes"


def resize(pages, button, number):
    """Grows or shrinks by so many, in as many steps as it takes: Flower 2.0 steps by one, whatever its field says."""
    done, answer = 0, ""
    while done < number:
        pages.worker("pool")
        pages.fill(pages.one("#pool-size"), number)
        answer = pages.press(pages.button(button))
        step = re.search(r"pool by (\d+)$", answer)
        if step is None:
            return answer
        done += int(step[1])
    return answer


def pool(pages, cluster):
    """Grow and shrink, idle and busy."""
    answer = resize(pages, "worker-pool-grow", 2)
    effect = f"{cluster.at_once(4)} at once; {size(cluster)}"
    yield Row("Grow 2", answer, effect, "4 at once; max-concurrency 2, 4 processes")
    with cluster.held(4) as held:
        answer = resize(pages, "worker-pool-shrink", 2)
        effect = f"{cluster.busy()} running; {size(cluster)}"
    ends = {cluster.outcome(task) for task in held}
    yield Row(
        "Shrink 2, all busy",
        answer,
        f"{effect}; {ends}",
        "4 running; max-concurrency 2, 4 processes; {\"SUCCESS 'released'\"}",
    )
    if answer.startswith("Shrinking"):
        resize(pages, "worker-pool-grow", 2)
    answer = resize(pages, "worker-pool-shrink", 2)
    yield Row(
        "Shrink 2, idle",
        answer,
        f"{cluster.at_once(2)} at once; {size(cluster)}",
        "2 at once; max-concurrency 2, 2 processes",
    )


def refused(pages, cluster):
    """What a worker does not do unless it was started for it."""
    pages.worker("pool")
    pages.fill(pages.one("#min-autoscale"), 1)
    pages.fill(pages.one("#max-autoscale"), 3)
    answer = pages.press(pages.button("worker-pool-autoscale"))
    yield Row("Autoscale 1 to 3", answer, f"{cluster.at_once(2)} at once", "2 at once")
    pages.worker()
    answer = pages.action("worker-pool-restart")
    yield Row("Restart Pool", answer, f"{cluster.at_once(2)} at once", "2 at once")


def refresh(pages, _cluster):
    """Flower asks again: what it knows is younger than before."""

    def known():
        return json.loads(pages.get("/api/workers"))[NODE]["timestamp"]

    for button, identity in (("Refresh", "worker-refresh"), ("Refresh All", "worker-refresh-all")):
        pages.worker()
        time_before = known()
        answer = pages.action(identity)
        yield Row(button, answer, f"asked anew: {holds(lambda: known() > time_before)}", "asked anew: True")


def add_queue(pages, name):
    pages.worker("queues")
    pages.fill(pages.one("#add-consumer-name"), name)
    return pages.press(pages.button("worker-add-consumer"))


def cancel_queue(pages, name):
    pages.worker("queues")
    return pages.press(until(lambda: cancel_button(pages, name), f"the button of {name}"))


def cancel_button(pages, name):
    """The button of a queue; Flower shows a worker as it was, asks it anew, and knows at the next look."""
    found = pages.all(f'[id="worker-cancel-consumer-{name}"]')
    if not found:
        pages.worker("queues")
    return found[0] if found else None


def shown_queues(pages):
    pages.worker("queues")
    return sorted(row[0] for row in pages.tables("#tab-queues")[0]["rows"])


def queues(pages, cluster):
    """Consumers come and go: what is sent to the queue is run, or stays."""
    answer = add_queue(pages, "extra")
    result = cluster.outcome(cluster.add(queue="extra"))
    holds(lambda: shown_queues(pages) == ["celery", "extra"])
    yield Row(
        "Add consumer extra",
        answer,
        f"{cluster.queues()}, shown {shown_queues(pages)}; {result}",
        "['celery', 'extra'], shown ['celery', 'extra']; SUCCESS 3",
    )
    answer = add_queue(pages, "extra")
    yield Row("Add consumer extra, again", answer, f"{cluster.queues()}", "['celery', 'extra']")
    answer = cancel_queue(pages, "extra")
    holds(lambda: shown_queues(pages) == ["celery"])
    left = cluster.add(queue="extra")
    time.sleep(1)
    yield Row(
        "Cancel consumer extra",
        answer,
        f"{cluster.queues()}, shown {shown_queues(pages)}; {left.state}, {cluster.length('extra')} in the queue",
        "['celery'], shown ['celery']; PENDING, 1 in the queue",
    )
    answer = add_queue(pages, "extra")
    yield Row("Add consumer extra, with a task waiting", answer, cluster.outcome(left), "SUCCESS 3")
    cancel_queue(pages, "extra")
    answer = cancel_queue(pages, "celery")
    left = cluster.add()
    time.sleep(1)
    yield Row(
        "Cancel consumer celery",
        answer,
        f"{cluster.queues()}; {left.state}, {cluster.length('celery')} in the queue",
        "[]; PENDING, 1 in the queue",
    )
    answer = add_queue(pages, "celery")
    yield Row("Add consumer celery", answer, f"{cluster.queues()}; {cluster.outcome(left)}", "['celery']; SUCCESS 3")


def limit(pages, button, task, value):
    """Fills the field beside the button, and presses it."""
    pages.worker("limits")
    pressed = next(one for one in pages.all(f'[id^="{button}-{task}"]'))
    field = pressed.find_element("xpath", "ancestor::td//input")
    pages.fill(field, value)
    return pages.press(pressed)


def pace(cluster, count=4):
    """Whether so many short tasks take the time that one start a second makes them take."""
    begun = time.monotonic()
    for task in [cluster.add() for _ in range(count)]:
        task.get(timeout=30)
    return "one a second" if time.monotonic() - begun > count - 1.5 else "at once"


def listed(cluster, name):
    return next(entry for entry in cluster.ask("registered") if entry.split()[0] == name)


def rates(pages, cluster):
    """A rate limit, set, misspelt and taken off."""
    for value, wanted in ((1, "one a second"), ("", "at once"), (0, "at once")):
        answer = limit(pages, "task-rate-limit", "mix.add", value)
        entry = listed(cluster, "mix.add")
        effect = pace(cluster)
        shown = holds(
            lambda: [pages.worker("limits"), entry in [row[0] for row in pages.tables("#tab-limits")[0]["rows"]]][1]
        )
        yield Row(
            f"Rate limit {value!r} of mix.add",
            answer,
            f"{effect}; {entry!r}, shown {shown}",
            f"{wanted}; {entry!r}, shown True",
        )


def timeouts(pages, cluster):
    """The soft and the hard time limit: a task that would run for ever ends."""
    for kind, error in (("Soft", "SoftTimeLimitExceeded()"), ("Hard", "TimeLimitExceeded(1,)")):
        answer = limit(pages, f"task-timeout-{kind.lower()}", "probe.hold", 1)
        with cluster.gate() as gate:
            task = cluster.hold(gate)
            ended = holds(task.ready, 4)
        result = cluster.outcome(task)
        holds(lambda: pages.state(task.id) == task.state)  # noqa: B023
        yield Row(
            f"{kind} timeout 1 of probe.hold",
            answer,
            f"{result}, ended by itself: {ended}, Flower {pages.state(task.id)}",
            f"FAILURE {error}, ended by itself: True, Flower FAILURE",
        )
    answer = limit(pages, "task-timeout-soft", "probe.hold", "")
    yield Row("Soft timeout '' of probe.hold", answer, "", "")


def press_on_task(pages, task, button, state):
    """Opens the task's page when Flower has it in that state, presses, and gives the banner."""
    until(lambda: pages.state(task.id) == state, f"{task.name} {state} in Flower")
    pages.task(task.id)
    answer = pages.press(pages.button(button))
    disabled = not pages.button(button).is_enabled()
    return f"{answer} (button greyed: {disabled})"


def ending(pages, cluster, task):
    """How the task ended for its caller and for Flower, and whether the worker calls it revoked."""
    result = cluster.outcome(task)
    holds(lambda: pages.state(task.id) == "REVOKED", 10)
    return f"{result}; Flower {pages.state(task.id)}; revoked on the worker: {task.id in cluster.ask('revoked')}"


def revoke_scheduled(pages, cluster):
    """A task whose time has not come is revoked: it never runs."""
    task = cluster.add(countdown=8)
    until(lambda: any(job["request"]["id"] == task.id for job in cluster.ask("scheduled")), "the scheduled task")
    answer = press_on_task(pages, task, "task-revoke", "RECEIVED")
    yield Row(
        "Revoke, ETA task",
        answer,
        ending(pages, cluster, task),
        "REVOKED TaskRevokedError('revoked',); Flower REVOKED; revoked on the worker: True",
    )
    pages.worker("tasks")
    shown = holds(lambda: [pages.worker("tasks"), task.id in pages.one("#tab-tasks").text.split("Revoked tasks")[1]][1])
    yield Row("Revoked tasks of the worker's page", "", f"listed: {shown}", "listed: True")


def revoke_anyhow(pages, task):
    """By the button, where Flower knows of the task; else as a program would, by its id."""
    if holds(lambda: pages.state(task.id) == "RECEIVED", 3):
        return press_on_task(pages, task, "task-revoke", "RECEIVED")
    pages.open("/tasks")
    return f"no such task in Flower, no button; API: {pages.post(f'/api/task/revoke/{task.id}', {})}"


def revoke_reserved(pages, cluster):
    """A task that waits for a free slot is revoked: it never runs."""
    with cluster.held(2) as held:
        task = cluster.add()
        answer = revoke_anyhow(pages, task)
    ends = {cluster.outcome(one) for one in held}
    yield Row(
        "Revoke, task behind busy slots",
        answer,
        f"{ending(pages, cluster, task)}; the running: {ends}",
        "REVOKED TaskRevokedError('revoked',); Flower REVOKED; revoked on the worker: True; "
        "the running: {\"SUCCESS 'released'\"}",
    )


def revoke_limited(pages, cluster):
    """A task that waits for its rate limit is revoked: it never runs."""
    limit(pages, "task-rate-limit", "mix.fail", 1)
    tasks = [cluster.send("mix.fail", number) for number in range(8)]
    answer = press_on_task(pages, tasks[-1], "task-revoke", "RECEIVED")
    first = cluster.outcome(tasks[0])
    end = ending(pages, cluster, tasks[-1])
    limit(pages, "task-rate-limit", "mix.fail", 0)
    until(lambda: all(task.ready() for task in tasks), "the end of the others")
    yield Row(
        "Revoke, task behind its rate limit",
        answer,
        f"{end}; the first: {first}",
        "REVOKED TaskRevokedError('revoked',); Flower REVOKED; revoked on the worker: True; "
        "the first: FAILURE ValueError('no such luck with 0',)",
    )


def terminate(pages, cluster):
    """A running task is ended, and the worker works on."""
    with cluster.held() as (task,):
        answer = press_on_task(pages, task, "task-terminate", "STARTED")
        end = ending(pages, cluster, task)
    yield Row(
        "Terminate, running task",
        answer,
        f"{end}; then {cluster.at_once(2)} at once, {cluster.outcome(cluster.add())}",
        "REVOKED TaskRevokedError('terminated',); Flower REVOKED; revoked on the worker: True; "
        "then 2 at once, SUCCESS 3",
    )


def abort(pages, cluster):
    """Flower's API can mark a task as aborted; no button does, and only a task that looks would stop."""
    with cluster.held() as (task,):
        pages.open("/tasks")
        status, said = pages.post(f"/api/task/abort/{task.id}", {})
        marked = task.state
    holds(lambda: task.state == "SUCCESS")
    yield Row("API: abort, running task", f"{status} {said}", f"{marked}, then {task.state}", "ABORTED, then SUCCESS")


def calls(pages, cluster):
    """Tasks that Flower itself sends."""
    pages.open("/tasks")
    status, said = pages.post("/api/task/apply/mix.add", {"args": [1, 2]})
    yield Row(
        "API: apply",
        str(status),
        plain(sorted(json.loads(said).items())),
        "[('result', 3), ('state', 'SUCCESS'), ('task-id', 'ID')]",
    )
    for kind in ("async-apply", "send-task"):
        status, said = pages.post(f"/api/task/{kind}/mix.add", {"args": [1, 2]})
        uuid = json.loads(said)["task-id"]
        holds(lambda: json.loads(pages.get(f"/api/task/result/{uuid}"))["state"] == "SUCCESS")  # noqa: B023
        result = sorted(json.loads(pages.get(f"/api/task/result/{uuid}")).items())
        yield Row(
            f"API: {kind}, result",
            str(status),
            plain(result),
            "[('result', 3), ('state', 'SUCCESS'), ('task-id', 'ID')]",
        )


def shut_down(pages, _cluster, worker):
    """The last button: the worker leaves well, and Flower says so."""
    pages.worker()
    answer = pages.action("worker-shutdown")
    code = worker.wait(30)

    def offline():
        pages.open("/workers")
        return until(lambda: pages.all("#workers-table tbody tr td:nth-child(2)"), "the table")[0].text

    holds(lambda: offline() == "Offline", 10)
    metric = [line for line in pages.get("/metrics").splitlines() if line.startswith("flower_worker_online{")]
    yield Row(
        "Shut Down",
        answer,
        f"exit code {code}; shown {offline()}; {metric}",
        f"exit code 0; shown Offline; ['flower_worker_online{{worker=\"{NODE}\"}} 0.0']",
    )


STEPS = [
    refresh,
    refused,
    pool,
    queues,
    rates,
    revoke_scheduled,
    revoke_reserved,
    revoke_limited,
    terminate,
    abort,
    calls,
    timeouts,
]
