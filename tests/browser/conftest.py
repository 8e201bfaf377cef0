"""A browser that reaches this machine alone, pages that remember what went wrong, and a real study.

Chromium is Debian's: without it a test fails with a line that says so, and is never skipped.
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
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
    # Whatever passes by the pages' own watch (workers, the browser itself) finds no other machine.
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
class Watched:
    """A page, and what happened on it. A request to another machine is blocked, and noted in `remote`.

    console: messages of the level error. errors: exceptions that nobody caught. failed: requests
    without an answer, but for those that the page gave up itself, and answers of 400 and above.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Begin to listen."""
        self.page.context.route(lambda url: not is_local(url), self._block)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", self._fail)
        self.page.on("response", self._answer)

    def assert_clean(self) -> None:
        """No message of an error, no exception, no failed request, and none to another machine."""
        assert (self.remote, self.errors, self.failed, self.console) == ([], [], [], [])

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
            self.failed.append(f"{request.url}: {request.failure}")

    def _answer(self, response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.url}: {response.status}")


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
            service_workers="block",  # their requests would pass by the watch
        )
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.watch()
        return watched

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(params=list(WIDTHS))
def watched_page(request, open_page):
    """A watched page at the width of a desktop, then of a phone."""
    return open_page(request.param)
