"""Every page of Flower, looked at and photographed: what it tells of the worker and its tasks, sorted and searched."""

import json
import re

from buttons import Row, holds, plain
from pages import TABS
from stage import NODE, until

KNOWN = {"stats", "active_queues", "registered", "conf"}


def samples(cluster):
    """Tasks of every state for the pages to show; the one to be STARTED runs only while `detail` looks."""
    shown = cluster.shown
    if not shown:
        shown.update(
            SUCCESS=cluster.add(), FAILURE=cluster.send("mix.fail", 70707), retried=cluster.send("probe.flaky", 2)
        )
        shown.update(RECEIVED=cluster.add(countdown=600, expires=900))
        for name in ("SUCCESS", "FAILURE", "retried"):
            until(shown[name].ready, f"the end of {name}")
    return shown


def workers(pages, cluster):
    """The first page: alive, counted, refreshed without a reload, searched, and linked to the worker's page."""
    until(lambda: '"status": true' in pages.get("/workers?json=1"), "a living worker in Flower")
    # Flower asks the workers once at its start, and shows no page of one that came later before it has asked again.
    until(
        lambda: set(json.loads(pages.get("/api/workers?refresh=1")).get(NODE, {})) >= KNOWN,
        "what Flower asks of a worker",
    )
    # Flower asks for events of tasks itself, every five seconds.
    until(
        lambda: '"task-received"' in (cluster.add().get(timeout=20), pages.get("/workers?json=1"))[1], "events of tasks"
    )
    samples(cluster)
    pages.open("/workers")
    heads = [head.get_attribute("textContent").strip() for head in pages.heads("workers-table")]

    def cells():
        found = pages.all("#workers-table tbody tr td")
        return [cell.text for cell in found] if len(found) > 1 else None

    first = until(cells, "the table of workers")
    for _ in range(3):
        cluster.add().get(timeout=20)
    counted = holds(lambda: int(until(cells, "the table")[3]) == int(first[3]) + 3, 10)
    yield Row(
        "Workers: counted without a reload",
        "",
        f"{first[:2]}, 3 more: {counted}",
        f"['{NODE}', 'Online'], 3 more: True",
    )
    told = {head: cell for head, cell in zip(heads, until(cells, "the table"))}
    pages.shot("workers")
    field = pages.one("#workers-table_filter input")
    pages.fill(field, "nobody")
    none = holds(lambda: len(pages.all("#workers-table tbody td")) == 1)
    pages.fill(field, "w1")
    one = holds(lambda: len(pages.all("#workers-table tbody tr")) == 1 and cells())
    yield Row("Workers: search", "", f"nobody: {none}, w1: {one}", "nobody: True, w1: True")
    until(lambda: pages.driver.current_url.endswith("/workers") and followed(pages), "the link to the worker")
    until(lambda: pages.all("#workername"), "the worker's page")
    yield Row("Workers: link to the worker", "", pages.one("#workername").text, NODE)
    for name in ("Active", "Processed", "Failed", "Succeeded", "Retried", "Load Average"):
        told[name] = re.sub(r"[\d.]+", "N", told.get(name, ""))
    yield {"workers": told}


def followed(pages):
    """Follows the link in a table that may be drawn anew at any moment."""
    pages.one("#workers-table tbody tr td a").click()
    return True


def flat(tables):
    """A tab's tables as labels and values: of one with headings, the headings and the first row."""
    told = {}
    for table in tables:
        pairs = table["rows"]
        if table["head"]:
            filled = table["rows"][0] if table["rows"] else [""] * len(table["head"])
            pairs = [[head, value] for head, value in zip(table["head"], filled) if head]
        for label, value, *_ in pairs:
            told[f"{table['caption']}: {label}"] = value
    return told


def detail(pages, cluster):
    """The worker's page, each tab, and the page of a task that runs."""
    told = {}
    with cluster.held(2) as (task, _):
        cluster.add()
        until(lambda: pages.state(task.id) == "STARTED", "the running task in Flower")
        pages.task(task.id)
        pages.shot("task-started")
        told["task, STARTED"] = pages.details()
        cluster.shown["held"] = task
        holds(lambda: [pages.worker("tasks"), len(pages.tables("#tab-tasks")[1]["rows"]) == 2][1])
        for tab in TABS:
            pages.worker(tab)
            pages.shot(f"worker-{tab}")
            told[f"worker, {tab}"] = flat(pages.tables(f"#tab-{tab}"))
    until(lambda: cluster.busy() == 0, "an idle worker")
    yield told


def task_list(pages, cluster):
    """The task list: a column for everything, each sorted both ways, searched, filtered, paged."""
    shown = samples(cluster)
    pages.open("/tasks")
    until(lambda: len(pages.all("#tasks-table tbody tr")) > 4, "the task list")
    pages.shot("tasks")
    heads = [head.get_attribute("textContent").strip() for head in pages.heads("tasks-table")]
    yield sorting(pages, heads)
    for words, key in (
        (f"{shown['FAILURE'].id}", "FAILURE"),
        ("state:FAILURE", "FAILURE"),
        ("mix.fail", "FAILURE"),
        ("result:released", "held"),
        ("args:70707", "FAILURE"),
    ):
        pages.fill(pages.one("#tasks-table_filter input"), words)
        wanted = shown[key].id
        found = holds(lambda: wanted in listed(pages) and shown["retried"].id not in listed(pages))  # noqa: B023
        yield Row(f"Tasks: search {plain(words)}", "", f"found, others not: {found}", "found, others not: True")
    pages.fill(pages.one("#tasks-table_filter input"), "")
    for button in pages.all(".task-state-filter"):
        pages.click(button)
        pages.settle()
        wanted = button.get_attribute("data-task-state")
        good = holds(lambda: wanted == "" or {state for state in states(pages, heads)} <= {wanted})  # noqa: B023
        yield Row(f"Tasks: filter {button.text}", "", f"only those: {good}", "only those: True")
    pages.open("/tasks?state=FAILURE")
    good = holds(lambda: shown["FAILURE"].id in listed(pages) and set(states(pages, heads)) == {"FAILURE"})
    yield Row("Tasks: link with a state", "", f"only those: {good}", "only those: True")
    yield {"tasks": {head: "" for head in heads}}


def listed(pages):
    return pages.one("#tasks-table tbody").text


def states(pages, heads):
    column = heads.index("State") + 1
    return [cell.text for cell in pages.all(f"#tasks-table tbody td:nth-child({column})")]


def sorting(pages, heads):
    """Presses every heading twice."""
    amiss = []
    for number, head in enumerate(heads):
        for _ in range(2):
            pages.click(pages.heads("tasks-table")[number])
            pages.settle()
            if not holds(lambda: orderly(pages, number, head)):  # noqa: B023
                amiss.append(
                    (head, [cell.text for cell in pages.all(f"#tasks-table tbody td:nth-child({number + 1})")])
                )
    return Row("Tasks: sort by each column", "", f"amiss: {amiss}", "amiss: []")


def orderly(pages, number, head):
    """Whether the list is there, and in order where its text tells the order."""
    column = [cell.text for cell in pages.all(f"#tasks-table tbody td:nth-child({number + 1})")]
    told = head in ("Name", "State", "Received")
    return len(column) > 4 and (not told or column in (sorted(column), sorted(column, reverse=True)))


def tasks(pages, cluster):
    """The page of a task of each state."""
    for name, task in samples(cluster).items():
        state = "SUCCESS" if name in ("retried", "held") else name
        until(lambda: pages.state(task.id) == state, f"{name} in Flower")  # noqa: B023
        pages.task(task.id)
        pages.shot(f"task-{name.lower()}")
        yield {f"task, {name}": pages.details()}
        if name == "FAILURE":
            yield from copying(pages)


def copying(pages):
    """The buttons that copy, where this Flower has them."""
    for button in pages.all(".task-uuid-copy, .task-traceback-copy"):
        pages.click(button)
        copied = holds(lambda: button.get_attribute("title") == "Copied")  # noqa: B023
        yield Row(f"Task: {button.accessible_name.lower()}", "", f"copied: {copied}", "copied: True")


def furniture(pages, _cluster):
    """What is on every page or beside its table: navigation, counters that link, page lengths, Flower 2.2's themes."""
    visited = []
    for name in ("Workers", "Tasks", "Broker", "Workers"):
        pages.open("/workers")
        next(link for link in pages.all("nav a.nav-link") if link.text == name).click()
        pages.settle()
        visited.append(pages.driver.current_url.removeprefix(pages.address))
    yield Row("Navigation", "", visited, "['/workers', '/tasks', '/broker', '/workers']")
    pages.open("/workers")
    links = until(
        lambda: [link.get_attribute("href") for link in pages.all("#workers-table_wrapper td a, tfoot a")], "links"
    )
    for path in sorted({link.removeprefix(pages.address) for link in links if "/tasks" in link}):
        pages.open(path)
        rows = holds(lambda: len(pages.all("#tasks-table tbody td")) > 1) or path.endswith(("STARTED", "RETRY"))
        yield Row(f"Workers: counter's link {path}", "", f"lists: {rows}", "lists: True")
    pages.open("/tasks")
    lengths = [option.get_attribute("value") for option in pages.all("#tasks-table_length option")]
    for length in lengths:
        pages.click(pages.one(f'#tasks-table_length option[value="{length}"]'))
        pages.settle()
    good = holds(lambda: len(pages.all("#tasks-table tbody tr")) > 4)
    yield Row(f"Tasks: page lengths {', '.join(lengths)}", "", f"lists: {good}", "lists: True")
    for option in pages.all(".theme-option"):
        pages.one("#theme-toggle").click()
        until(option.is_displayed, "the menu of themes")  # noqa: B023
        option.click()
        theme = option.get_attribute("data-bs-theme-value")
        chosen = holds(lambda: "active" in option.get_attribute("class"))  # noqa: B023
        yield Row(f"Theme {theme}", "", f"chosen: {chosen}", "chosen: True")


def rest(pages, cluster):
    """The broker's page, the API and the metrics."""
    with cluster.held(2):
        for _ in range(12):
            cluster.add()
        pages.open("/broker")
        pages.shot("broker")
        broker = {row[0]: "counted" if int(row[1]) > 0 else "none" for row in pages.tables("body")[0]["rows"]}
        lengths = json.loads(pages.get("/api/queues/length"))["active_queues"]
    until(lambda: cluster.busy() == 0 and cluster.length("celery") == 0, "an idle worker")
    waiting = [(queue["name"], queue["messages"] > 0) for queue in lengths]
    yield Row(
        "Broker page, and API of queue lengths", "", f"{broker}, {waiting}", "{'celery': 'counted'}, [('celery', True)]"
    )
    yield Row(
        "API: task types",
        "",
        json.loads(pages.get("/api/task/types")),
        "{'task-types': ['mix.add', 'mix.fail', 'probe.flaky', 'probe.hold']}",
    )
    failed = json.loads(pages.get(f"/api/task/info/{cluster.shown['FAILURE'].id}"))
    worker = json.loads(pages.get("/api/workers"))[NODE]
    yield {"API: task info": failed, "API: workers": worker, "metrics": metrics(pages)}


def metrics(pages):
    """The series Flower counts of this worker, without their numbers and buckets."""
    series = [line.rsplit(" ", 1)[0] for line in pages.get("/metrics").splitlines() if line.startswith("flower_")]
    return {name: "" for name in series if "_bucket" not in name}


STEPS = [workers, detail, task_list, tasks, furniture, rest]
