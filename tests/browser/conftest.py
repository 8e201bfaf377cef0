"""A browser that reaches this machine alone, pages that remember what went wrong, and a real study.

Chromium is Debian's: without it a test fails with a line that says so, and is never skipped.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Requests that the watch does not see (of workers, of the browser itself) reach no other machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
LOCAL_SCHEMES = ("data", "blob", "file", "about")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    if not CHROMIUM.exists():
        pytest.fail(f"no {CHROMIUM}: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class PageWatch:
    """A page, and what happened on it. A request to another machine is blocked, and noted in `remote`.

    console: messages of the level error. errors: uncaught exceptions. failed: requests
    without an answer, but for those that the page gave up itself, and answers of 400 and above.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Record what happens on the page from now on."""
        self.page.context.route(lambda url: not is_local(url), self._block)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", self._fail)
        self.page.on("response", self._answer)

    def assert_clean(self, but: tuple[str, ...] = ()) -> None:
        """No message of an error, no exception, no failed request, and none to another machine.

        but: addresses whose failures are allowed, by their ends; requests to other machines never are.
        """
        failed = [line for line in self.failed if not line.partition(" ")[0].endswith(but or "\n")]
        console = [line for line in self.console if not line.rstrip(")").endswith(but or "\n")]
        assert (self.remote, self.errors, failed, console) == ([], [], [], [])

    def assert_no_sideways_scroll(self) -> None:
        """The page is no wider than its window."""
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{wide} px wider than the window"

    def _block(self, route) -> None:
        self.remote.append(route.request.url)
        route.abort()

    def _hear(self, message) -> None:
        if message.type == "error":
            self.console.append(f"{message.text} ({message.location.get('url', '')})")

    def _fail(self, request) -> None:
        if is_local(request.url) and request.failure != "net::ERR_ABORTED":
            self.failed.append(f"{request.url} {request.failure}")

    def _answer(self, response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.url} {response.status}")


def is_local(url: str) -> bool:
    """Whether a request for `url` stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname == "127.0.0.1"


@pytest.fixture
def open_page(browser):
    """Makes watched pages: `open_page("phone")`, `open_page("desktop")`."""
    contexts = []

    def make(width="desktop"):
        columns, lines = WIDTHS[width]
        phone = width == "phone"
        context = browser.new_context(
            viewport={"width": columns, "height": lines},
            is_mobile=phone,
            has_touch=phone,
            service_workers="block",  # the watch does not see their requests
        )
        contexts.append(context)
        watched = PageWatch(context.new_page())
        watched.watch()
        return watched

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(params=list(WIDTHS))
def watched_page(request, open_page):
    """A watched page at the width of a desktop, then of a phone."""
    return open_page(request.param)


@dataclass(frozen=True)
class Study:
    """A study that was run by the command line. home: everything that it wrote."""

    name: str
    home: Path

    @property
    def folder(self) -> Path:
        """Its records."""
        return self.home / "studies" / self.name


def cops(*words, **options):
    """The command line as a separate process, in a separate folder."""
    return subprocess.Popen([sys.executable, "-m", "study.cli", *map(str, words)], **options)


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory):
    """A quickstart of two seeds, run through the command line."""
    folder = tmp_path_factory.mktemp("browsed")
    home, log = folder / "home", folder / "log"
    environment = {**os.environ, "COPS_SCORE_CACHE": str(folder / "scores")}
    words = ("launch", "quickstart", "--trials", 12, "--epochs", 3, "--seeds", 2, "--home", home)
    with log.open("w") as out, cops(*words, stdout=out, stderr=out, env=environment) as launch:
        assert launch.wait(400) == 0, log.read_text()
    return Study("quickstart", home)


@dataclass(frozen=True)
class UiServer:
    """A home in MLflow's UI. root: the server's address. browse: the page that `cops ui` names."""

    root: str
    browse: str


@pytest.fixture(scope="session")
def mlflow_ui(quickstart, tmp_path_factory):
    """`cops ui` for the quickstart's home, on a free port; it is ended by its process id."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = tmp_path_factory.mktemp("ui") / "log"
    words = ("ui", "--home", quickstart.home, "--port", port)
    with log.open("w") as out, cops(*words, stdout=out, stderr=out) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server, log)
            (browse,) = re.findall(r"^browse: (\S+)$", log.read_text(), re.MULTILINE)
            yield UiServer(f"http://127.0.0.1:{port}", browse)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def wait_for(url, server, log):
    """Wait until `url` answers; else fail with the server's log."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.25)
    pytest.fail(f"{url} did not answer\n{log.read_text()}")
