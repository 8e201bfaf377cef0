"""The report of a real study in a real browser, at desktop and phone width: complete and without errors."""

import re

import pytest

from study import cli
from study.views.figures import FIGURES

pytestmark = pytest.mark.browser

# Letters that a reader must be able to see: no figure may shrink below this share of its size.
LEAST = 0.72


@pytest.fixture(scope="module")
def report(quickstart, tmp_path_factory):
    """The page that `cops report` writes for the study."""
    folder = tmp_path_factory.mktemp("report")
    words = ["cops", "report", quickstart.name, "--home", str(quickstart.home), "--out", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as left:
            cli.main()
    assert left.value.code == 0
    return folder / "report.html"


def test_the_report_opens_without_messages(watched_page, report, tmp_path):
    page = watched_page.page
    page.goto(report.as_uri())
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    watched_page.assert_no_sideways_scroll()
    watched_page.assert_clean()
    assert page.get_by_role("heading", level=1).inner_text() == "quickstart"
    assert "reaches a validation accuracy of" in page.locator(".headline").inner_text()


def test_its_figures_are_drawn_and_large_enough_to_read(watched_page, report):
    page = watched_page.page
    page.goto(report.as_uri())
    drawn = page.evaluate("() => [...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(drawn) >= 5
    for natural, alt in drawn:
        assert alt
        assert natural > 200
    widths = page.evaluate(
        "() => [...document.images].map(image => image.clientWidth / parseFloat(image.style.maxWidth))"
    )
    assert min(widths) >= LEAST - 0.01


def test_its_sections_are_reached_by_links(watched_page, report):
    page = watched_page.page
    page.goto(report.as_uri())
    for link in page.get_by_role("navigation").get_by_role("link").all():
        target = link.get_attribute("href")
        link.click()
        assert page.url.endswith(target)
        assert page.locator(target).get_by_role("heading").first.is_visible()
    ids = set(page.evaluate("() => [...document.querySelectorAll('section')].map(section => section.id)"))
    assert set(FIGURES) <= ids


def test_the_command_to_run_it_again_can_be_copied(watched_page, report, quickstart):
    page = watched_page.page
    page.goto(report.as_uri())
    command = page.locator("#again pre").inner_text().strip()
    assert re.fullmatch(
        r"cops launch quickstart --name quickstart --trials 12 --seeds 2 --epochs 3( --\S+ \S+)* --rates \S+",
        command,
    )
