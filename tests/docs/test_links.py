"""Every link of the docs leads somewhere, and every file that they name is there."""

import re
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, anchors, links, spans

RELATIVE = [
    (page, link) for page, text in PAGES.items() for link in links(text) if not re.match(r"[a-z]+:", link)
]


@pytest.mark.parametrize(("page", "link"), RELATIVE)
def test_links_lead_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.is_file()
    if anchor:
        assert anchor in anchors(target.read_text())


def test_a_wrong_anchor_is_noticed():
    assert "two-commands" in anchors(PAGES["README.md"])
    assert "three-commands" not in anchors(PAGES["README.md"])
    assert anchors("# A `b`, c\n\n# A `b`, c\n") == {"a-b-c", "a-b-c-1"}


def test_every_page_is_linked_from_another():
    linked = {
        ((ROOT / page).parent / link.partition("#")[0]).resolve().relative_to(ROOT).as_posix()
        for page, link in RELATIVE
    }
    assert {page for page in PAGES if page != "README.md"} <= linked


# Paths in the repository as the docs write them: from its root, or a file of a package beside it.
TOP = "cops_core|search_spaces|study|tests|docs"
PATHS = sorted(
    {
        (page, path)
        for page, text in PAGES.items()
        for path in re.findall(rf"(?<![\w/.-])((?:{TOP})/[\w/.-]*\w/?)(?![\w*{{])", text)
        if "logit_energy" not in path  # docs/extending.md: the reader's own
    }
)


@pytest.mark.parametrize(("page", "path"), PATHS)
def test_paths_that_are_named_are_there(page, path):
    assert (ROOT / path).exists()


FILES = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
# What the reader writes.
OWN = {
    "my_plugin.py",
    "characters.py",
    "my_space.py",
    "my_score.py",
    "both.py",
    "space.py",
    "logit_energy.py",
}


@pytest.mark.parametrize("page", PAGES)
def test_python_files_that_are_named_are_there(page):
    named = {Path(name).name for span in spans(PAGES[page]) for name in re.findall(r"[\w/]+\.py\b", span)}
    assert named - OWN <= FILES
