"""docs/architecture.md: its map names every file and folder of the packages, and nothing else."""

import re

import pytest

from .pages import PAGES, ROOT, tables

TEXT = PAGES["docs/architecture.md"]


def sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+):.*$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named(package: str) -> set[str]:
    """Files and folders that the first column of the package's table names, as the map writes them.

    `ledger/trial.py`, `store.py` in one row: both lie in `ledger/`.
    """
    found = set()
    for table in tables(sections()[package]):
        for row in table:
            folder = ""
            for name in re.findall(r"`([\w/.]+)`", row[0]):
                path, last = name.rstrip("/").rpartition("/")[::2]
                folder = path or folder
                inside = f"{folder}/{last}" if folder else last
                here = inside if (ROOT / package / inside).exists() else last
                found.add(here)
    return found


def there(package: str) -> set[str]:
    """Modules and folders of the package itself."""
    inside = (ROOT / package).iterdir()
    return {
        path.name
        for path in inside
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").is_file()
    }


@pytest.mark.parametrize("package", ["cops_core", "study"])
def test_every_module_and_folder_is_on_the_map(package):
    on_map = named(package)
    assert there(package) - {name.partition("/")[0] for name in on_map} == set()


@pytest.mark.parametrize("package", ["cops_core", "study"])
def test_what_is_on_the_map_is_there(package):
    assert [name for name in sorted(named(package)) if not (ROOT / package / name).exists()] == []


@pytest.mark.parametrize("folder", ["search", "records", "run"])
def test_folders_whose_files_are_on_the_map_have_all_of_them_there(folder):
    inside = {f"{folder}/{path.name}" for path in (ROOT / "study" / folder).glob("[a-z]*.py")}
    assert inside <= named("study")


def test_the_spaces_common_parts_are_on_the_map():
    from search_spaces import SEARCH_SPACES

    text = sections()["search_spaces"]
    files = {path.name for path in (ROOT / "search_spaces").glob("[a-z]*.py")}
    for file in files - {f"{name}.py" for name in SEARCH_SPACES}:
        assert f"`{file}`" in text
