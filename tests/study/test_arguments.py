"""A setting is written once: flags, arguments, resuming and reports follow from its field."""

import runpy
from inspect import signature
from pathlib import Path
from typing import Annotated, get_args

import pytest
import typer
from pydantic import Field

import study
from study import cli
from study.arguments import QUESTION_FLAGS, SETTINGS, Arguments
from study.flags import SEARCH, Flag
from study.search.samplers import SAMPLERS
from study.search.stopping import STOPPINGS
from study.settings import SamplerName, Settings, StoppingName, setting_flags

WRITER = Path(__file__).parents[2] / ".ci" / "arguments.py"


@pytest.fixture(scope="module")
def writer():
    return runpy.run_path(str(WRITER))


def test_the_arguments_are_as_the_generator_writes_them(writer):
    assert writer["FILE"].read_text() == writer["text"](), "run: uv run python .ci/arguments.py"


def test_a_new_setting_is_one_field(writer, monkeypatch):
    """The command's option, the argument from Python, resuming and the report's command follow."""

    class More(Settings):
        patience: Annotated[
            int, Field(ge=1), Flag(help="Epochs without progress that end a trial.", panel=SEARCH)
        ] = 7

    monkeypatch.setitem(writer["text"].__globals__, "Settings", More)
    monkeypatch.setattr("study.settings.Settings", More)
    setting_flags.cache_clear()
    try:
        text = writer["text"]()
        assert setting_flags()["patience"].changes == "never"
    finally:
        monkeypatch.undo()
        setting_flags.cache_clear()
    made: dict = {}
    exec(compile(text, "arguments", "exec"), made)
    new = made["SETTINGS"]["patience"]
    assert {name: flag for name, flag in made["SETTINGS"].items() if name != "patience"} == SETTINGS
    assert (new.type, new.value, new.panel) == ("int", 7, SEARCH)
    assert "patience" in made["Arguments"].__annotations__
    assert "patience: Epochs without progress that end a trial." in made["Arguments"].__doc__


def test_every_setting_that_has_no_flag_is_known():
    """A field without a flag is listed here, with the way in which it is set."""
    assert set(Settings.model_fields) - set(setting_flags()) == {"question", "first", "plugins", "kind"}


def test_launch_has_an_option_for_every_setting_and_question():
    command = typer.main.get_command(cli.app).commands["launch"]
    there = {parameter.name: parameter for parameter in command.params}
    assert {*SETTINGS, *QUESTION_FLAGS} <= there.keys()
    for name, flag in SETTINGS.items():
        assert there[name].help == flag.help
        assert (there[name].default is None) == (flag.value is None), name
        if flag.value is not None:
            default = Settings.model_fields[name].get_default()
            assert there[name].default == default, name


def test_python_accepts_what_the_command_accepts():
    there = signature(study.launch).parameters
    assert Arguments.__annotations__.keys() <= there.keys()
    assert Arguments.__annotations__.keys() == {name for name, flag in SETTINGS.items() if not flag.argument}
    for name, flag in SETTINGS.items():
        if not flag.argument:
            assert f"{name}: {flag.help}" in study.launch.__doc__
            field = Settings.model_fields[name]
            assert there[name].default == (None if field.is_required() else field.get_default())


def test_names_of_samplers_and_stoppings_are_the_existing_ones():
    assert set(get_args(SamplerName)) == set(SAMPLERS)
    assert set(get_args(StoppingName)) == set(STOPPINGS)
