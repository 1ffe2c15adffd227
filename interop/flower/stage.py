"""What a check stands on: a Redis, one worker, Flower, a headless Chromium; all of it ends with the check."""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException

HERE = Path(__file__).resolve().parent
NODE = "w1@lab"
COLUMNS = "name,uuid,state,args,kwargs,result,received,started,runtime,worker,retries,revoked,exception,expires,eta"
BROWSER = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=2500,1000"
)


class TooLate(Exception):
    """What was waited for did not come."""


def until(probe, what, seconds=20.0):
    """Asks until the answer is true, and gives it; a page that changes while it is read is read again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = probe()
        except StaleElementReferenceException:
            answer = None
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TooLate(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def process(name, command, folder, **options):
    """A process whose output goes to `folder/name.log`, killed at the end if it is still there."""
    with open(folder / f"{name}.log", "wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def redis(folder):
    """A private Redis that keeps nothing; gives its URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with process("redis", command, folder, cwd=folder):
        until(lambda: listening(port), "redis-server")
        yield f"redis://127.0.0.1:{port}/0"


def worker(command, url, folder):
    """The worker to be shown, of either kind: both take Celery's flags."""
    environment = {**os.environ, "APIUM_REDIS": url, "APIUM_BROKER": url, "CELERY_BROKER_URL": url}
    arguments = shlex.split(command) + ["-n", NODE, "-c", "2", "-l", "info"]
    return process("worker", arguments, folder, cwd=HERE, env=environment)


@contextlib.contextmanager
def flower(url, folder):
    """Flower, of the environment this script runs in; gives its address."""
    port = free_port()
    environment = {**os.environ, "APIUM_REDIS": url, "FLOWER_UNAUTHENTICATED_API": "true"}
    command = [sys.executable, "-m", "celery", "-A", "tasks", "flower", "--address=127.0.0.1", f"--port={port}"]
    command += [f"--tasks_columns={COLUMNS}"]
    with process("flower", command, folder, cwd=HERE, env=environment):
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{address}/healthcheck"), "Flower", 60)
        yield address


@contextlib.contextmanager
def browser(folder):
    """Debian's Chromium, without a window, that finds no address but this machine's."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in BROWSER.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder / 'chromium'}")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()
