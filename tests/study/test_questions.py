"""A question is one class: its flag, record, answer, headline and command follow from it."""

import io
import json
import runpy
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from cops_core.errors import InputError
from search_spaces import find_space
from search_spaces.question import QUESTIONS, Compare, Pareto, Rates, choose_question, parse_question
from search_spaces.question.base import DEFAULT_RATES, Answer, C, Question
from study.analysis.answer import headline
from study.analysis.configurations import by_configuration
from study.launch_settings import question_from
from study.settings import parse_settings
from study.views.answer import print_best
from study.views.report.command import launch_command

RATES = (Decimal("0.9"), Decimal("0.99"))


@dataclass(frozen=True)
class Reach(Question):
    """Which configurations reach an accuracy?"""

    goal: Decimal = field(default=Decimal("0.9"), metadata={"help": "Accuracy to reach"})
    rates: tuple[Decimal, ...] = DEFAULT_RATES

    name = "reach"
    summary = "configurations that reach --goal"
    axis = False
    directions = ("maximize",)

    @property
    def sentence(self) -> str:
        return f"What reaches {self.goal}?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        return (accuracy,)

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        there = tuple(each for each in compared if each.mean >= self.goal)
        return Answer(f"{len(there)} reach {self.goal}.", "those that reach it", there)


@pytest.fixture
def fourth(monkeypatch):
    monkeypatch.setitem(QUESTIONS, "reach", Reach)


@pytest.mark.parametrize("question", list(QUESTIONS.values()), ids=list(QUESTIONS))
def test_a_question_comes_back_from_its_record_and_its_flags(question):
    made = question(rates=RATES)
    assert parse_question(json.loads(json.dumps(made.record()))) == made
    flags = dict(zip(made.flags()[::2], made.flags()[1::2], strict=True))
    words = {name.removeprefix("--").replace("-", "_"): text for name, text in flags.items()}
    assert question_from(find_space("gss"), words) == made


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_is_registered_under_its_own_name(name):
    question = QUESTIONS[name]()
    assert question.name == name
    assert question.sentence.endswith("?")
    assert len(question.directions) == len(question.values(0.5, 0.1, 100.0))
    assert str(question).startswith(name)


def test_a_fourth_question_is_one_class(fourth, settings, studies):
    assert choose_question(Reach(), "reach", RATES, {"goal": "0.95"}) == Reach(Decimal("0.95"), RATES)
    with pytest.raises(InputError, match="--goal belongs to --objective reach: write both"):
        choose_question(Reach(), None, RATES, {"goal": "0.95"})
    with pytest.raises(InputError, match="unknown objective 'rech': did you mean 'reach'"):
        choose_question(Reach(), "rech", None, {})
    asked = settings(question=Reach(Decimal("0.5")))
    assert parse_settings(asked.record()).question == asked.question
    command = launch_command(asked.name, asked.record())
    assert "--objective reach --goal 0.5 --rates 0.95,0.99,0.995" in command
    trials = studies["a searched rate"]
    out = io.StringIO()
    print_best(Console(file=out, width=100), trials, asked, {})
    assert "those that reach it" in out.getvalue()
    assert "reach 0.5." in headline(by_configuration(trials), asked.question)


def test_a_spaces_own_question_keeps_what_no_flag_changes():
    own = Compare(RATES, judging_seeds=5, baseline="SNIP")
    assert choose_question(own, None, None, {}) == own
    assert choose_question(own, "compare", None, {}) == own
    seeds = {"judging_seeds": "3"}
    assert choose_question(own, None, None, seeds) == Compare(RATES, judging_seeds=3, baseline="SNIP")
    assert choose_question(own, None, RATES[:1], {}) == Compare(RATES[:1], judging_seeds=5, baseline="SNIP")
    assert choose_question(own, "rates", None, {}) == Rates()
    assert choose_question(Pareto(), None, RATES, {}) == Rates(RATES)
    with pytest.raises(InputError, match="--judging-seeds belongs to --objective compare: write both"):
        choose_question(Rates(), None, None, seeds)


def test_its_flag_is_written_for_the_command_line(fourth):
    flags = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "arguments.py"))["_question_flags"]()
    assert flags["goal"].help == "Accuracy to reach, with --objective reach."
    assert flags["goal"].value == "0.9"
    assert flags["objective"].help.endswith("reach: configurations that reach --goal.")
    assert "reach" in flags["objective"].choices
