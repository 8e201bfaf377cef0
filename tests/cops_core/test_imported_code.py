"""A plugin's hash covers the code that it imports, wherever that is, and nothing that all studies share."""

import shutil
import sys
from pathlib import Path

import pytest

from cops_core import plugins
from cops_core.imported_code import imported_code, imports_of
from cops_core.models import MODELS
from cops_core.plugins import CORE_REGISTRIES, Plugin, find_plugins, load_plugin

MODEL = "MODELS = {'of_this_test': lambda shape, classes: helper.width}\n"


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    """A folder on Python's path; afterwards nothing is registered or imported that was not before."""
    models, modules = dict(MODELS), set(sys.modules)
    monkeypatch.setattr(plugins, "_RUN", {})
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    MODELS.clear()
    MODELS.update(models)
    for name in set(sys.modules) - modules:
        if name.startswith(("cops_plugin_", "pack", "mine", "loose", "spaced")):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def found(name: str) -> Plugin:
    (plugin,) = find_plugins([name], announced=False)
    return plugin


# What a module of the package imports, and the file by which it comes to the number.
WAYS = {
    "absolute": "from pack import helper\n",
    "relative": "from . import helper\n",
    "name of a relative": "from .helper import width\nimport pack.helper as helper\n",
    "in a function": "def f():\n    from pack import helper\n    return helper\nhelper = f()\n",
    "import_module": "import importlib\nhelper = importlib.import_module('pack.helper')\n",
    "if it is there": "try:\n    import pack.helper as helper\nexcept ImportError:\n    pass\n",
    "everything": "from pack import *\n",
    "through another": "from pack.other import helper\n",
    "without init": "from spaced.inner import helper\n",
    "loose": "import loose as helper\n",
}
PACKAGE = {
    "pack/__init__.py": "__all__ = ['helper', 'other']\n",
    "pack/helper.py": "from decimal import Decimal\nwidth = 100\n",
    "pack/other.py": "import pack.helper as helper\n",
    "spaced/inner/helper.py": "width = 100\n",
    "loose.py": "width = 100\n",
}


# A file has no package.
AS_FILES = [way for way in WAYS if way not in ("relative", "name of a relative")]


@pytest.mark.parametrize(
    ("way", "as_file"), [*((way, False) for way in WAYS), *((way, True) for way in AS_FILES)]
)
def test_a_changed_helper_is_another_plugin(way, as_file, site):
    write(site, PACKAGE | {"pack/mine.py": WAYS[way] + MODEL})
    name = str(site / "pack" / "mine.py") if as_file else "pack.mine"
    before = found(name)
    assert found(name) == before
    load_plugin(before, CORE_REGISTRIES)
    helper = {"without init": "spaced/inner/helper.py", "loose": "loose.py"}.get(way, "pack/helper.py")
    write(site, {helper: "width = 120\n"})
    with pytest.raises(ValueError, match=r"has changed since this process imported it: start Python again"):
        find_plugins([name], announced=False)
    for module in ("pack", "pack.helper", "pack.mine", "pack.other", "spaced.inner.helper", "loose"):
        sys.modules.pop(module, None)
    assert found(name).sha256 != before.sha256
    with pytest.raises(ValueError, match="or imports another version of some code"):
        load_plugin(before, CORE_REGISTRIES)
    write(site, PACKAGE)
    assert found(name) == before


def test_a_package_that_is_run_on_the_way_counts(site):
    write(site, PACKAGE | {"pack/mine.py": "width = 3\n"})
    before = found("pack.mine")
    write(site, {"pack/__init__.py": "import pack.other\n"})
    assert found("pack.mine") != before


def test_a_change_elsewhere_is_no_change(site):
    write(site, PACKAGE | {"pack/mine.py": WAYS["absolute"] + MODEL})
    before = found("pack.mine")
    write(site, {"pack/unused.py": "1", "loose.py": "2", "pack/data.txt": "3"})
    assert found("pack.mine") == before


def test_the_version_of_a_distribution_counts_and_its_code_does_not(site, monkeypatch):
    installed = site / "site-packages"
    monkeypatch.syspath_prepend(installed)
    metadata = "Metadata-Version: 2.1\nName: Some.Thing\nVersion: "

    def install(version: str, text: str) -> None:
        shutil.rmtree(installed, ignore_errors=True)
        folder = f"site-packages/some_thing-{version}.dist-info"
        write(
            site,
            {
                f"{folder}/METADATA": f"{metadata}{version}\n",
                f"{folder}/top_level.txt": "pack_thing\n",
                "site-packages/pack_thing/__init__.py": text,
            },
        )

    install("1.0", "width = 1")
    source = b"def f():\n    import pack_thing.part\n"
    assert imported_code([source]) == {"Some.Thing": "1.0"}
    install("1.0", "width = 2")
    assert imported_code([source]) == {"Some.Thing": "1.0"}
    install("1.1", "width = 2")
    assert imported_code([source]) == {"Some.Thing": "1.1"}


def test_python_this_project_and_what_it_requires_do_not_count():
    source = (
        b"import os, json.decoder, torch.nn as nn, numpy, cops_core.config, search_spaces, nosuch.module\n"
    )
    assert imported_code([source]) == {}


def test_names_in_a_text():
    text = b"import a.b\nfrom c import d\nfrom .. import e\nfrom ..f import g\n"
    text += b"__import__('h')\nimport_module(x)\n"
    assert set(imports_of(text, "p.q")) == {"a.b", "c.d", "p.e", "p.f.g", "h"}
    assert list(imports_of(b"no python")) == []


def test_an_import_that_cannot_be_followed_is_refused(site, refused):
    write(site, PACKAGE | {"mine.py": "helper = __import__('lo' + 'ose')\n" + MODEL})
    with refused(
        "plugin 'mine' imports loose in a way that its hash cannot follow: write an import statement"
    ):
        load_plugin(found("mine"), CORE_REGISTRIES)


def test_modules_that_import_each_other(site):
    write(
        site,
        {
            "pack/__init__.py": "",
            "pack/helper.py": "import pack.other",
            "pack/other.py": "import pack.helper",
        },
    )
    assert set(imported_code([b"import pack.helper"])) == {"pack", "pack.helper", "pack.other"}


def test_what_a_plugin_draws_at_import_is_the_same_each_time(site):
    text = "import torch\nclass helper:\n    width = torch.rand(())\n" + MODEL
    values = []
    for name in ("mine", "mine2"):
        (site / name).mkdir()
        write(site / name, {"mine.py": f"{text}#{name}\n"})
        load_plugin(found(str(site / name / "mine.py")), CORE_REGISTRIES)
        values.append(float(MODELS.pop("of_this_test")(None, None)))
    assert values[0] == values[1]
