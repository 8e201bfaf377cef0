"""Plugins: found by name, path or entry point, loaded once, refused in one line."""

import hashlib
import sys
import traceback
from pathlib import Path

import pytest

from cops_core.config import Selection, TrialConfig
from cops_core.data import DATASETS
from cops_core.errors import InputError
from cops_core.models import MODELS, build_model
from cops_core.plugins import CORE_REGISTRIES, Plugin, find_plugins, load_plugin
from cops_core.scores import SCORES

MINE = """
from dataclasses import dataclass
from cops_core.scores.gss import GeneralizedSynapticScore

@dataclass(frozen=True)
class Powers:
    r: float

def net(shape, classes):
    raise RuntimeError("no such network")

SCORES = {"squares": GeneralizedSynapticScore(None, p=0, r=Powers(2.0).r)}
MODELS = {"net": net}
"""


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """An empty working directory; afterwards nothing is registered or imported that was not before."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = [(registry, dict(registry)) for registry in (SCORES, MODELS, DATASETS)]
    modules = set(sys.modules)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    for registry, members in before:
        registry.clear()
        registry.update(members)
    ours = ("cops_plugin_", "mine", "package")
    for name in set(sys.modules) - modules:
        if name.startswith(ours):
            del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a folder on Python's path with these files."""

    def install(**files: str) -> Path:
        folder = tmp_path / "site"
        for name, content in files.items():
            path = folder / name.replace("__in__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f"{path.name}.py").write_text(content)
        monkeypatch.syspath_prepend(folder)
        return folder

    return install


def load(name: str) -> dict[str, tuple[str, ...]]:
    (plugin,) = find_plugins([name])
    return load_plugin(plugin, CORE_REGISTRIES)


def test_a_path_is_a_file_with_its_text(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(MINE.replace("\n", "\r\n").encode())
    (plugin,) = find_plugins([str(path)])
    assert plugin == Plugin("mine", hashlib.sha256(path.read_bytes()).hexdigest(), path.read_bytes().decode())


@pytest.mark.parametrize("on_the_path", [False, True], ids=["console script", "python -m"])
def test_a_bare_name_is_a_file_of_the_working_directory(here, on_the_path, monkeypatch):
    (here / "mine.py").write_text(MINE)
    if on_the_path:
        monkeypatch.syspath_prepend(here)
    (plugin,) = find_plugins(["mine"])
    assert plugin.source == MINE


def test_an_installed_module_comes_before_a_file_of_its_name(here, installed):
    site = installed(mine=MINE)
    (here / "mine.py").write_text("SCORES = {}")
    (plugin,) = find_plugins(["mine"])
    assert plugin == Plugin("mine", hashlib.sha256((site / "mine.py").read_bytes()).hexdigest())
    assert load("mine") == {"SCORES": ("squares",), "MODELS": ("net",)}
    assert SCORES["squares"] is sys.modules["mine"].SCORES["squares"]


def test_a_module_within_a_package(installed):
    installed(package__in____init__="", package__in__mine=MINE)
    assert load("package.mine") == {"SCORES": ("squares",), "MODELS": ("net",)}


def test_the_hash_of_a_package_sees_every_file(installed):
    site = installed(package__in____init__="from package.mine import SCORES", package__in__mine=MINE)
    (before,) = find_plugins(["package"])
    assert before.source is None
    (site / "package" / "mine.py").write_text(MINE + "\n")
    (after,) = find_plugins(["package"])
    assert before.sha256 != after.sha256


def test_another_version_of_a_module_is_refused(installed, refused):
    installed(mine=MINE)
    (plugin,) = find_plugins(["mine"])
    with refused("plugin 'mine' has another version"):
        load_plugin(Plugin("mine", "0" * 64), CORE_REGISTRIES)
    load_plugin(plugin, CORE_REGISTRIES)


def test_an_installed_distribution_announces_its_plugin(installed, here):
    site = installed(mine=MINE)
    metadata = site / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[cops_study.plugins]\nwhatever = mine\n")
    (here / "other.py").write_text(MINE)
    assert [plugin.name for plugin in find_plugins()] == ["mine"]
    assert [plugin.name for plugin in find_plugins(["mine", "other"])] == ["mine", "other"]
    assert [plugin.name for plugin in find_plugins(["other"], announced=False)] == ["other"]


def test_what_is_loaded_can_be_named_in_a_configuration(here):
    (here / "mine.py").write_text(MINE)
    with pytest.raises(ValueError, match="unknown score 'squares'"):
        Selection(target="squares")
    load("mine")
    config = TrialConfig(model="net", arm="prune", selection=Selection(target="squares"))
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


def test_loading_it_again_changes_nothing(here):
    (here / "mine.py").write_text(MINE)
    assert load("mine") == load("mine") == {"SCORES": ("squares",), "MODELS": ("net",)}
    score = SCORES["squares"]
    (here / "mine.py").unlink()
    (here / "elsewhere.py").write_text(MINE)
    (here / "mine.py").write_text(MINE)
    load("mine")
    assert SCORES["squares"] is score


def test_a_text_runs_where_there_is_no_file_and_its_tracebacks_show_it():
    plugin = Plugin("mine", hashlib.sha256(MINE.encode()).hexdigest(), MINE)
    load_plugin(plugin, CORE_REGISTRIES)
    with pytest.raises(InputError, match="no such network") as caught:
        build_model("net", (1, 8, 8), 3)
    shown = "".join(traceback.format_exception(caught.value))
    assert 'raise RuntimeError("no such network")' in shown
    assert "mine.py" in shown


GSS = "from cops_core.scores.gss import GeneralizedSynapticScore\n"
FILES = {
    "SCORES = {": r"cannot be imported: SyntaxError: '\{' was never closed",
    "import nosuch": "cannot be imported: ModuleNotFoundError: No module named 'nosuch'",
    "raise ValueError('one\\ntwo')": "cannot be imported: ValueError: one two",
    "x = 1": "registers nothing: define one of the dicts SCORES, MODELS, DATASETS",
    "SCORES = {}": "registers nothing",
    "SCORES = []": "SCORES is of type list: write a dict, name: score",
    "from cops_core.scores import SCORES": "SCORES is the project's own",
    "SCORES = {'mine': 3}": "score 'mine' is of type int: write an instance of a Score",
    f"{GSS}SCORES = {{'mine': GeneralizedSynapticScore}}": "score 'mine' is a class: write an instance, Gen",
    f"{GSS}SCORES = {{'snip': GeneralizedSynapticScore(None, p=0, r=3)}}": "score 'snip' already exists",
    f"{GSS}SCORES = {{'a b': GeneralizedSynapticScore(None, p=0, r=3)}}": "score 'a b' is not a valid name",
    f"{GSS}SCORES = {{'': GeneralizedSynapticScore(None, p=0, r=3)}}": "score '' is not a valid name",
    f"{GSS}SCORES = {{3: GeneralizedSynapticScore(None, p=0, r=3)}}": "score 3 is not a valid name",
    "MODELS = {'net': 'net'}": "model 'net' is of type str: write a function",
    "from torch import nn\nMODELS = {'net': nn.Flatten()}": "model 'net' is of type Flatten: write a fun",
    "MODELS = {'vgg16': print}": "model 'vgg16' already exists",
    "DATASETS = {'mine': None}": "data set 'mine' is of type NoneType: write a function",
}


@pytest.mark.parametrize("content", FILES)
def test_a_wrong_plugin_is_one_line_and_registers_nothing(content, here, refused):
    (here / "wrong.py").write_text(content)
    before = [dict(registry) for registry in (SCORES, MODELS, DATASETS)]
    with refused(f"plugin 'wrong'.*{FILES[content]}"):
        load("wrong")
    assert [dict(registry) for registry in (SCORES, MODELS, DATASETS)] == before


def test_one_wrong_component_keeps_all_others_out(here, refused):
    (here / "wrong.py").write_text(MINE + "DATASETS = {'mine': 3}")
    with refused("data set 'mine' is of type int"):
        load("wrong")
    assert "squares" not in SCORES


NAMES = {
    "nosuch": "plugin 'nosuch' does not exist: write the name of an installed module, or the path",
    "nosuch.module": "plugin 'nosuch.module' does not exist",
    "cops_core.nosuch": "plugin 'cops_core.nosuch' does not exist",
    "no such": "plugin 'no such' is not a module name",
    "nosuch.py": "plugin 'nosuch.py' cannot be read",
    "some/nosuch.py": "plugin 'some/nosuch.py' cannot be read",
    "some/folder": "plugin 'some/folder' is not a module",
    "my-scores.py": "plugin 'my-scores.py' is not a module: write a name such as my_scores.py",
    "random": "plugin 'random' registers nothing",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_that_is_not_there_is_one_line(name, refused):
    with refused(NAMES[name]):
        load(name)


def test_a_package_that_fails_is_said_so(installed, refused):
    installed(package__in____init__="1 / 0", package__in__mine=MINE)
    with refused("plugin 'package.mine' cannot be imported: ZeroDivisionError"):
        find_plugins(["package.mine"])


def test_a_file_that_is_no_text_is_refused(here, refused):
    (here / "mine.py").write_bytes(b"\xff\xfe")
    with refused(r"cannot be read \(UnicodeDecodeError\)"):
        find_plugins(["mine.py"])


def test_two_files_of_one_name_are_refused(here, refused):
    for folder in ("one", "two"):
        (here / folder).mkdir()
        (here / folder / "mine.py").write_text(f"{MINE}# {folder}")
    assert len(find_plugins(["one/mine.py", "one/mine.py"])) == 1
    with refused("two plugins have the name 'mine': rename one"):
        find_plugins(["one/mine.py", "two/mine.py"])
