"""The watch over a page notices faults: otherwise a clean result would prove nothing."""

import pytest

pytestmark = pytest.mark.browser

FAULTS = {
    "<script>console.error('a message')</script>": "console",
    "<script>throw new Error('uncaught')</script>": "errors",
    "<img src='missing.png'>": "failed",
    "<img src='http://192.0.2.1/pixel.png'>": "remote",
    "<script>fetch('https://example.org/').catch(() => 0)</script>": "remote",
    "<link rel='stylesheet' href='https://example.org/a.css'>": "remote",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed(open_page, tmp_path, fault):
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>page</title>{fault}")
    watched = open_page()
    watched.page.goto(file.as_uri(), wait_until="networkidle")
    assert getattr(watched, FAULTS[fault])
    with pytest.raises(AssertionError):
        watched.assert_clean()


def test_a_page_that_is_too_wide_is_noticed(watched_page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("<!doctype html><meta name=viewport content='width=device-width'><p>text")
    watched_page.page.goto(file.as_uri())
    watched_page.assert_clean()
    watched_page.assert_no_sideways_scroll()
    watched_page.page.evaluate("document.body.style.width = '2000px'")
    with pytest.raises(AssertionError, match="wider than the window"):
        watched_page.assert_no_sideways_scroll()
