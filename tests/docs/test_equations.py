"""docs/equations.md: beside each equation stand a function that exists and a test that exists."""

import ast
import importlib
import inspect
import re
from functools import cache

import pytest

from .pages import PAGES, ROOT, blocks

TEXT = PAGES["docs/equations.md"]
EQUATIONS = [block for block in blocks(TEXT) if block.language == "math"]
NAME = re.compile(r"`((?:cops_core|search_spaces|study)\.[\w.]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def beside(block) -> str:
    """The paragraph that follows an equation."""
    after = TEXT[block.start :].partition("```\n\n")[2]
    return after.partition("\n\n")[0]


def resolve(name: str):
    """What a dotted name stands for; a dataclass's field is its annotation."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = inspect.get_annotations(found)[part] if not hasattr(found, part) else getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@cache
def defined_in(file: str) -> frozenset[str]:
    """The tests of a file, by its syntax tree: parametrised ones without their ids."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("block", EQUATIONS, ids=lambda block: block.text.split("\n")[0][:40])
def test_each_equation_has_its_function_and_its_test(block):
    paragraph = beside(block)
    functions, tests = paragraph.partition("\nTest")[::2]
    assert re.match(r"Functions?: ", functions)
    assert re.match(r"s?: ", tests)
    assert NAME.search(functions)
    assert TEST.search(tests)
    assert paragraph.count("::") == len(TEST.findall(paragraph))
    assert ("Functions:" in functions) == (len(NAME.findall(functions)) > 1)
    assert tests.startswith("s") == (len(TEST.findall(tests)) > 1)


@pytest.mark.parametrize("name", sorted(set(NAME.findall(TEXT))))
def test_functions_exist(name):
    assert resolve(name) is not None


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(TEXT))))
def test_tests_exist(file, name):
    assert name.startswith("test_")
    assert name in defined_in(file)


def test_what_does_not_exist_is_noticed():
    for wrong in ("cops_core.mask.nothing", "cops_core.nothing", "cops_core.mask.Mask.nothing"):
        with pytest.raises((AttributeError, KeyError, ModuleNotFoundError)):
            resolve(wrong)
    assert "test_nothing" not in defined_in("tests/cops_core/test_mask.py")


def test_every_score_has_its_equation():
    from cops_core.scores import SCORES

    named = [resolve(name) for name in NAME.findall(TEXT)]
    owners = {inspect.getmodule(found) for found in named if callable(found)}
    for name, score in SCORES.items():
        assert score in named or inspect.getmodule(type(score)) in owners, name


@pytest.mark.parametrize("block", EQUATIONS, ids=lambda block: block.text.split("\n")[0][:40])
def test_braces_and_environments_are_closed(block):
    text = re.sub(r"\\[{}]", "", block.text)
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"\\left\b", text)) == len(re.findall(r"\\right\b", text))
    assert "$" not in text


def test_inline_mathematics_is_closed():
    for line in re.sub(r"```math\n.*?```", "", TEXT, flags=re.DOTALL).splitlines():
        assert line.count("$") % 2 == 0, line
        assert not (line.startswith("|") and any("|" in part for part in line.split("$")[1::2])), line
