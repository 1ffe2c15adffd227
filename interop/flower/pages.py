"""Flower's pages as a person uses them: what is read on them, and what is pressed."""

import json
import urllib.request
from urllib.parse import quote

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stage import NODE, until

TABS = ["pool", "broker", "queues", "tasks", "limits", "config", "system", "other"]
BANNERS = "#toast-container .toast-body, #alert-container .alert > div"
TABLES = """
return [...arguments[0].querySelectorAll('table')].map(table => ({
    caption: (table.querySelector('caption') || {innerText: ''}).innerText.trim() ||
        (table.querySelector('caption') || {textContent: ''}).textContent.trim(),
    head: [...table.querySelectorAll('thead th')].map(cell => cell.textContent.trim()),
    rows: [...table.querySelectorAll('tbody tr')].map(
        row => [...row.querySelectorAll('td')].map(cell => cell.textContent.trim().replace(/\\s+/g, ' '))),
}));
"""
DETAILS = """
const label = node => node.textContent.trim().replace(/\\s+/g, ' ');
const pairs = [...document.querySelectorAll('#task-page .detail-row')].map(
    row => [label(row.querySelector('dt')), label(row.querySelector('dd'))]);
return pairs.length ? pairs : [...document.querySelectorAll('#task-page table tr')].map(
    row => [...row.querySelectorAll('td')].map(label));
"""
ASK = """
const done = arguments[arguments.length - 1];
$.ajax({type: 'POST', url: arguments[0], data: arguments[1], contentType: 'application/json',
    complete: reply => done([reply.status, reply.responseText])});
"""


class Pages:
    """One browser on one Flower."""

    def __init__(self, driver, address, shots):
        self.driver, self.address, self.shots = driver, address, shots

    def open(self, path):
        self.driver.get(f"{self.address}{path}")
        self.settle()

    def settle(self):
        """Waits until the page has what it asked Flower for."""
        ready = "return document.readyState === 'complete' && (!window.jQuery || jQuery.active === 0)"
        until(lambda: self.driver.execute_script(ready), "the page")

    def worker(self, tab="pool"):
        """The worker's page with a tab in front; fresh, so that no tab or banner of before is left."""
        self.driver.get("about:blank")
        self.open(f"/worker/{quote(NODE)}")
        if tab != "pool":
            self.one(f'a[data-bs-target="#tab-{tab}"]').click()
            until(lambda: self.one(f"#tab-{tab}").is_displayed(), f"the tab {tab}")

    def task(self, uuid):
        self.open(f"/task/{uuid}")

    def shot(self, name):
        """A picture of the whole page, however long."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        self.driver.set_window_size(2500, min(max(height + 150, 1000), 4000))
        # Bootstrap fades its tabs in.
        until(lambda: self.driver.execute_script("return document.getAnimations().length === 0"), "the animations", 5)
        self.driver.save_screenshot(str(self.shots / f"{name}.png"))
        self.driver.set_window_size(2500, 1000)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def heads(self, table):
        """The headings of a table that one can see: a table that scrolls sideways has them twice."""
        return self.all(f"#{table}_wrapper .dataTables_scrollHead th") or self.all(f"#{table} thead th")

    def button(self, identity):
        return self.driver.find_element(By.ID, identity)

    def fill(self, field, value):
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        if value != "":
            field.send_keys(str(value))

    def click(self, element):
        """Clicks where nothing that sticks to the window's edge is in the way."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, button):
        """Presses, and gives the banner that Flower answers with."""
        self.click(button)
        return until(self.banner, "a banner of Flower")

    def banner(self):
        return " ".join(banner.text.strip() for banner in self.all(BANNERS))

    def action(self, identity):
        """One of the worker's actions, from the menu of the worker's page."""
        self.button("worker-group").click()
        button = self.button(identity)
        until(button.is_displayed, "the menu of actions")
        return self.press(button)

    def tables(self, scope):
        return self.driver.execute_script(TABLES, self.one(scope))

    def details(self):
        """The task page's labels with their values."""
        return dict(pair for pair in self.driver.execute_script(DETAILS) if len(pair) == 2)

    def post(self, path, body):
        """What Flower's own pages would send, with their token; gives status and answer."""
        return self.driver.execute_async_script(ASK, path, json.dumps(body))

    def get(self, path):
        """What the API says to a program."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=10) as reply:
            return reply.read().decode()

    def state(self, uuid):
        """The state in which Flower has a task, or nothing while it knows none."""
        tasks = json.loads(self.get("/api/tasks"))
        return tasks[uuid]["state"] if uuid in tasks else None

    def complaints(self):
        """What the browser's console says of errors, but for the answers 403 that the buttons are meant to get."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE" and "403" not in entry["message"]]
