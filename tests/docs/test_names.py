"""What the docs say there is, against the registries: nothing is missing, nothing is made up."""

import re
from typing import get_args

import pytest

from cops_core.augmentation import AUGMENTATIONS
from cops_core.config import Ablation, Arm, At, Combine, Scope
from cops_core.data import DATASETS
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import MODELS
from cops_core.scores import CONVENTIONS, FUNCTIONALS, SCORES
from search_spaces import SEARCH_SPACES
from search_spaces.presets import PRESETS
from study.papers.experiments import EXPERIMENTS
from study.search.samplers import SAMPLERS
from study.search.stopping import STOPPINGS

from .pages import PAGES, spans, tables
from .parsing import cops_commands

# Each row of the README's table: the names that it must hold, and no others.
ROWS = {
    "commands": set(cops_commands()),
    "scores": set(SCORES),
    "functionals": set(FUNCTIONALS),
    "combinations": set(get_args(Combine)),
    "scopes": set(get_args(Scope)),
    "scored networks": set(get_args(At)),
    "changing masks": {"regrow"},
    "conventions": set(CONVENTIONS),
    "ablations": set(get_args(Ablation)) - {"none"},
    "arms": set(get_args(Arm)),
    "initialisations": set(INITIALIZATIONS),
    "models": set(MODELS),
    "data sets": set(DATASETS),
    "augmentations": set(AUGMENTATIONS),
    "samplers": set(SAMPLERS),
    "early stopping": set(STOPPINGS),
    "spaces": set(SEARCH_SPACES),
    "experiments": set(EXPERIMENTS),
}


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w]+)`", cell)


def table_with(page: str, first: str) -> dict[str, list[str]]:
    """The rows of the page's table that has a row of this name, by their names."""
    (found,) = [table for table in tables(PAGES[page]) if any(row[0] == first for row in table)]
    return {row[0]: row[1:] for row in found[1:]}


def test_the_readme_lists_all_that_there_is():
    table = table_with("README.md", "scores")
    listed = {title: names(cells[0]) for title, cells in table.items() if title != "questions"}
    assert {title: set(found) for title, found in listed.items()} == ROWS
    assert all(len(found) == len(set(found)) for found in listed.values())


# Tables of other pages, by a row that tells them apart: the names in their first column.
COLUMNS = [
    ("docs/selection.md", "`synflow`", set(SCORES)),
    ("docs/selection.md", "`shuffle`", set(get_args(Ablation)) - {"none"}),
    ("docs/selection.md", "`union`", set(get_args(Combine))),
    ("docs/selection.md", "`erk`", set(get_args(Scope)) - {"global"}),
    ("docs/selection.md", "`paper`", set(CONVENTIONS)),
    ("docs/studies.md", "`tpe` (default)", set(SAMPLERS)),
    ("docs/studies.md", "`asha` (default)", set(STOPPINGS)),
    ("docs/presets.md", "`freezenet_vgg16_cifar10`", set(PRESETS)),
    ("docs/freezing.md", "`freeze_wd`", set(get_args(Arm)) - {"dense"}),
]


@pytest.mark.parametrize(("page", "row", "expected"), COLUMNS)
def test_tables_name_everything_once(page, row, expected):
    found = [name for first in table_with(page, row) for name in names(first)]
    assert sorted(found) == sorted(expected)


def test_the_presets_are_as_large_as_the_docs_say():
    found = {
        names(name)[0]: cells for name, cells in table_with("docs/presets.md", "`cops_vgg16_cifar10`").items()
    }
    for name, preset in PRESETS.items():
        sizes = (len(preset.methods), preset.seeds, preset.trials, preset.training.epochs)
        assert found[name] == [*map(str, sizes), str(len(preset.published) or "none")], name


# Names in running words and commands: `--sampler gp`, `score="snip"`.
USED = {
    r"--sampler (\w+)": SAMPLERS,
    r"--stopping (\w+)": STOPPINGS,
    r"--model (\w+)(?![\w/])": MODELS,
    r"--dataset (\w+)": DATASETS,
    r"--score (\w+)": SCORES,
    r"cops experiment (\w+)": EXPERIMENTS,
    r"cops table (\w+)": PRESETS,
    r"score=\"(\w+)\"": SCORES,
    r"target=\"(\w+)\"": SCORES,
    r"convention=\"(\w+)\"": CONVENTIONS,
    r"dataset=\"(\w+)\"": DATASETS,
    r"model=\"(\w+)\"": MODELS,
    r"arm=\"(\w+)\"": get_args(Arm),
    r"cops launch ([a-z_0-9]+)(?![\w./])": SEARCH_SPACES,
}
# Of the reader: what the pages themselves build, and a name that is meant to be wrong.
OWN = {"stripes", "tiny_conv", "right_logit", "synflo", "characters", "NAME"}


@pytest.mark.parametrize("pattern", USED)
def test_names_that_are_used_exist(pattern):
    found = {name for text in PAGES.values() for name in re.findall(pattern, text)}
    assert found
    assert found - OWN <= set(USED[pattern])


def test_flags_that_are_named_exist():
    """`--flag` in running words: of some command of ours, or of the program that is named here."""
    known = {
        option
        for command in cops_commands().values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    others = {
        "--allowed-hosts": "mlflow server",
        "--no-restart": "ray up",
        "--prune-bias": "Synaptic-Flow's own",
    }
    found = {
        flag
        for text in PAGES.values()
        for span in spans(text)
        if not re.match(r"\"?(cops|ray|aws|kubectl|mlflow|pip|uv) ", span)
        for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
    }
    assert found - known == set(others)
