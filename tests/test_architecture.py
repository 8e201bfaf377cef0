"""The arrows between the packages, each framework's one door, and what the installation promises."""

import ast
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# study -> search_spaces -> cops_core: what each package may import of this project.
ARROWS = {
    "cops_core": {"cops_core"},
    "search_spaces": {"search_spaces", "cops_core"},
    "study": {"study", "search_spaces", "cops_core"},
}

# The only files that import a framework; a folder's files all may.
DOORS = {
    "ray": ["study/run/ray/"],
    "mlflow": ["study/tracking/"],
    "pyarrow": ["study/records/folder.py", "study/records/tables.py", "study/scores/tables.py"],
    "pandas": [
        "study/records/frames.py",
        "study/api.py",
        "study/views/report/tables.py",
        "study/views/report/methods.py",
    ],
    "matplotlib": ["study/views/figures/", "study/scores/figures/"],
    "optuna": ["study/search/", "study/views/figures/parameters.py", "search_spaces/"],
    "torchvision": ["cops_core/vision.py"],
    "timm": ["cops_core/models/packages.py"],
    "PIL": ["cops_core/data/images.py"],
    "safetensors": [
        "cops_core/cache.py",
        "cops_core/artifact/envelope.py",
        "cops_core/library/file.py",
        "study/networks/unpack.py",
    ],
}

# Import name -> the distribution that brings it.
CORE_NEEDS = {
    "PIL": "pillow",
    "filelock": "filelock",
    "numpy": "numpy",
    "pydantic": "pydantic",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torchvision": "torchvision",
}
OPTIONAL = {"timm"}  # an extra of the same name


@dataclass(frozen=True)
class Source:
    """A Python file of the project: where it lies, and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    def imports(self) -> set[str]:
        """Dotted names of all imported modules, also those inside functions and by importlib."""
        found = set()
        here = Path(self.path).parent.parts
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = here[: len(here) - node.level + 1] if node.level else ()
                module = ".".join([*above, *([node.module] if node.module else [])])
                found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
                names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                assert names, f"{self.path}:{node.lineno} imports a module that only running it would tell"
                found |= set(names)
        return found

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def at(self, node: ast.Call) -> str:
        return f"{self.path}:{node.lineno}"


def called(call: ast.Call) -> str:
    """`load` for `torch.load(...)` and for `load(...)`."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def read(path: Path) -> Source:
    return Source(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text()))


SOURCES = [read(path) for package in ARROWS for path in sorted((ROOT / package).rglob("*.py"))]


def tops(source: Source) -> set[str]:
    return {name.partition(".")[0] for name in source.imports()}


def test_arrows_go_one_way():
    wrong = {source.path: tops(source) & set(ARROWS) - ARROWS[source.package] for source in SOURCES}
    assert {path: packages for path, packages in wrong.items() if packages} == {}


def is_door(path: str, doors: Sequence[str]) -> bool:
    return any(path == door or (door[-1] == "/" and path.startswith(door)) for door in doors)


@pytest.mark.parametrize("framework", DOORS)
def test_each_framework_has_its_door(framework):
    importing = [source.path for source in SOURCES if framework in tops(source)]
    assert [path for path in importing if not is_door(path, DOORS[framework])] == []


def test_doors_are_where_they_are_said_to_be():
    for framework, doors in DOORS.items():
        for door in doors:
            assert any(framework in tops(source) for source in SOURCES if source.path.startswith(door))


def test_cops_core_needs_few_packages():
    third_party = set().union(*(tops(source) for source in SOURCES if source.package == "cops_core"))
    third_party -= {*sys.stdlib_module_names, "cops_core"}
    assert third_party == set(CORE_NEEDS) | OPTIONAL


def flags(call: ast.Call) -> dict[str | None, str]:
    """The call's keyword arguments, as they are written."""
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def calls_of(*names: str) -> list[tuple[str, ast.Call]]:
    """Every call of these functions, by the names that are written, and where it is."""
    return [
        (source.at(call), call)
        for source in SOURCES
        for call in source.calls()
        if ast.unparse(call.func) in names
    ]


def test_no_print():
    """`print(...)`; a console's own `print` is a method."""
    assert [place for place, _ in calls_of("print", "builtins.print")] == []


def test_no_pickle():
    forbidden = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    assert [source.path for source in SOURCES if tops(source) & forbidden] == []
    calls = [(source.at(call), call) for source in SOURCES for call in source.calls()]
    assert [place for place, call in calls if flags(call).get("allow_pickle", "False") != "False"] == []


def test_torch_loads_data_only():
    loads = calls_of("torch.load")
    assert loads, "the walk sees none"
    assert [place for place, call in loads if flags(call).get("weights_only") != "True"] == []
    otherwise = {"torch.load", "torch.serialization.load"}  # by its full name only
    assert [source.path for source in SOURCES if otherwise & source.imports()] == []


VIOLATIONS = {
    "import ray.tune": "ray.tune",
    "from ray import tune": "ray.tune",
    "def f():\n    import ray": "ray",
    "from ..study import run": "study.run",
    "from . import sibling": "cops_core.data.sibling",
    "import importlib\nimportlib.import_module('ray.tune')": "ray.tune",
    "if True:\n    try:\n        from ray.tune import Tuner\n    except ImportError: pass": "ray.tune",
}


@pytest.mark.parametrize("code", VIOLATIONS)
def test_the_walk_sees_every_kind_of_import(code):
    path = "cops_core/module.py" if ".." in code else "cops_core/data/module.py"
    assert VIOLATIONS[code] in Source(path, ast.parse(code)).imports()


def test_every_folder_is_a_package():
    """The installation finds packages by their `__init__.py`."""
    folders = {path.parent for package in ARROWS for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == [f"{name}*" for name in ARROWS]


CONSTRAINTS = PROJECT["tool"]["uv"]["constraint-dependencies"]
PINS = dict(line.split("==") for line in CONSTRAINTS)


def test_constraints_are_the_same_for_uv_and_pip():
    """constraints.txt is what the command in its header makes of pyproject.toml."""
    made = runpy.run_path(str(ROOT / ".ci" / "constraints.py"))["text"]()
    assert (ROOT / "constraints.txt").read_text() == made
    assert [line for line in made.splitlines() if not line.startswith("#")] == CONSTRAINTS


def test_constraints_are_plain_pins():
    assert len(PINS) == len(CONSTRAINTS)
    for line in CONSTRAINTS:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*", line), line
    assert PINS["torch"] == "2.13.0"
    assert PINS["torchvision"] == "0.28.0"


def test_torchs_own_builds_are_not_pinned():
    assert [name for name in PINS if re.search("nvidia|cuda|triton", name)] == []


def requirements() -> dict[str, Requirement]:
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def test_every_dependency_is_pinned_within_its_range():
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(PINS[name]), requirement


def test_cops_cores_packages_are_dependencies():
    assert set(CORE_NEEDS.values()) <= set(requirements())
