"""The lines that are printed before and after a study."""

import io
import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product

import pytest
from rich.console import Console

from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from search_spaces.question import Pareto, Smallest
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.summary import print_plan, print_summary
from study.views.figures.style import FIRST

RATE = Decimal("0.99")


@dataclass
class Plan:
    """The parts of a plan that a summary uses."""

    blocked: str = ""


@dataclass
class Run:
    """The parts of a run that a summary uses."""

    trials: list[StudyTrial]
    stopped_because: str = ""
    space_error: InputError | None = None
    plan: Plan = field(default_factory=Plan)


@pytest.fixture
def summary(settings):
    """The summary of a run in 80 columns, a single blank between words."""

    def show(run, **changes):
        output, asked = io.StringIO(), settings(**changes)
        store = StudyStore(asked.storage_uri, asked.name)
        print_summary(Console(file=output, width=80), store, asked, run, 12.3)
        return [" ".join(line.split()) for line in output.getvalue().splitlines()]

    return show


@pytest.fixture
def some(ended):
    """Makes trials of the given statuses, each with another configuration."""

    def make(*statuses, **changes):
        return [
            ended(number, status, configuration=number, rate=RATE, **changes)
            for number, status in enumerate(statuses)
        ]

    return make


def test_every_status_is_counted(some, summary):
    lines = summary(Run(some("finished", "stopped", "finished", "infeasible")), trials=8)
    assert lines[0] == "test: 4 of 8 trials in 12 s: 2 finished, 1 stopped, 1 infeasible"


@pytest.fixture
def falling(ended):
    """Twelve methods at each of two rates: the fewer weights, the less accurate."""

    def make(rates):
        ways = product((Decimal("0.2"), Decimal("0.1")), ("prune", "freeze", "freeze_wd"), FIRST[:4])
        trials = []
        for number, (density, arm, score) in enumerate(ways):
            config = TrialConfig(
                arm=arm, selection=Selection(target=score), density=density - Decimal(number) / 1000
            )
            rate = Decimal("0.8") if number < 12 else Decimal("0.9")
            accuracies = (0.9 - number / 100,)
            trials.append(ended(number, accuracies=accuracies, config=config, rate=rate if rates else None))
        return trials

    return make


def rows(lines):
    """The lines with a method."""
    return [line for line in lines if any(f" {arm} " in line for arm in ("prune", "freeze", "freeze_wd"))]


def test_of_each_rate_the_first_ten_are_shown(falling, summary):
    """A search over the score family has as many methods as trials."""
    trials = falling(rates=True)
    lines = summary(Run(trials), trials=24)
    assert len(rows(lines)) == 20
    assert any("and 4 more" in line and "cops report" in line for line in lines)
    few = summary(Run(trials[:10]), trials=24)
    assert len(rows(few)) == 10
    assert not any("more" in line for line in few)


def test_of_a_front_all_are_shown(falling, summary):
    """It has no rates; its last configurations have the fewest weights."""
    lines = summary(Run(falling(rates=False)), trials=24, question=Pareto())
    assert len(rows(lines)) == 24
    assert not any("more" in line for line in lines)


def test_with_several_seeds_configurations_are_counted(ended, summary):
    trials = [ended(n, configuration=n // 2, seed_index=n % 2, rate=RATE) for n in range(5)]
    assert summary(Run(trials), trials=8, seeds=2)[0].startswith("test: 5 trials of 3 of 8 configurations")


def test_reused_trials_are_counted(some, summary):
    trials = some("finished", "finished", "finished")
    trials[0].reused_from = trials[2].reused_from = "other/00001-abc"
    assert summary(Run(trials))[0].endswith("3 finished (2 reused from other studies)")


def test_each_failure_is_one_line_and_ten_are_enough(some, summary):
    trials = some("finished", *["failed"] * 6, *["out_of_memory"] * 4, *["killed"] * 3, "diverged")
    for trial in trials[1:14]:
        trial.reason = f"RuntimeError: [red] of {trial.number}\nand more"
    lines = summary(Run(trials))
    shown = [line for line in lines if re.match(r"trial \d", line)]
    assert len(shown) == 10
    assert shown[0] == "trial 1 (freeze snip q=0.99) failed: RuntimeError: [red] of 1 and more"
    assert shown[9] == "trial 10 (freeze snip q=0.99) out_of_memory: RuntimeError: [red] of 10 and more"
    (more,) = [line for line in lines if line.startswith("and ")]
    assert more.startswith("and 3 more: cops status test --home ")


def test_ten_failures_have_no_more(some, summary):
    assert not any(line.startswith("and ") for line in summary(Run(some(*["failed"] * 10))))


def test_networks_that_could_not_be_kept_are_one_line(some, summary):
    trials = some("finished", "finished", "finished")
    assert not any("could not be stored" in line for line in summary(Run(trials)))
    trials[1].facts["artifact_missing"] = "OSError: [Errno 28] No space left on device"
    expected = "could not be stored: OSError: [Errno 28] No space left on device"
    assert f"1 trained network {expected}" in summary(Run(trials))
    trials[2].facts["artifact_missing"] = "OSError: another"
    assert f"2 trained networks {expected}" in summary(Run(trials))


def test_open_trials_show_the_command_that_resumes(some, summary):
    (line,) = [line for line in summary(Run(some("finished", "interrupted"))) if "resume with" in line]
    assert line.startswith("resume with: cops resume test --home ")
    assert not any("resume with" in line for line in summary(Run(some("finished", "failed"))))


def test_an_early_end_has_each_reason_once(some, summary):
    early = Run(some("failed"), "too many failures", InputError("the space fails"), Plan("too many failures"))
    lines = [line for line in summary(early) if "ended early" in line]
    assert lines == ["the study ended early: the space fails", "the study ended early: too many failures"]
    assert not any("ended early" in line for line in summary(Run(some("finished"))))


def test_scores_are_counted(some, summary):
    trials = some("finished", "finished")
    trials[0].facts["scores_computed"] = {"snip": 1}
    trials[1].facts["scores_cached"] = {"snip": 2}
    assert "scores: 1 computed, 2 from the cache" in summary(Run(trials))


def test_the_pareto_front_is_that_of_its_cost(ended, summary):
    trials = [
        ended(0, accuracies=(0.9,), configuration=0, config=TrialConfig()),
        ended(1, accuracies=(0.8,), configuration=1),
    ]
    for trial, size in zip(trials, (5000, 7000), strict=True):
        trial.facts["accounting"]["artifact_bytes"] = size
    by_density = summary(Run(trials), question=Pareto())
    assert "no trial beats these in both accuracy and density" in by_density
    assert any(line.startswith("0.99 freeze snip 80.00%") for line in by_density)
    by_bytes = summary(Run(trials), question=Pareto(cost="bytes"))
    assert "no trial beats these in both accuracy and bytes" in by_bytes
    assert any(line.startswith("dense 90.00%") for line in by_bytes)
    assert not any(line.startswith("0.99 freeze snip") for line in by_bytes)


def test_the_smallest_that_keeps_its_share_is_by_the_mean(ended, summary):
    def configuration(number, accuracies, config):
        return [
            ended(10 * number + s, accuracies=(a,), configuration=number, seed_index=s, config=config)
            for s, a in enumerate(accuracies)
        ]

    sparse = ended().config
    trials = [
        *configuration(0, (1.0, 1.0), TrialConfig()),
        *configuration(1, (0.95, 0.87), sparse),  # one seed is enough, their mean 0.91 is too
        *configuration(2, (0.95, 0.83), sparse),  # one seed is enough, their mean 0.89 is not
    ]
    lines = summary(Run(trials), question=Smallest(keep=Decimal("0.9")), seeds=2)
    rows = [line.split()[-1] for line in lines if "±" in line]
    assert rows == ["1", "0"]


def test_a_plan_shows_what_it_would_run(search_plan, settings):
    output = io.StringIO()
    plan = search_plan(trials=9, seeds=3)
    print_plan(Console(file=output, width=200), settings(trials=9, seeds=3), plan)
    text = output.getvalue()
    assert "9 configurations with 3 seeds, at most 27 trials" in text
    assert f"trial seeds {plan.seeds.value(0)}, {plan.seeds.value(1)}, {plan.seeds.value(2)}\n" in text
    assert text.count("baseline: ") == 7
    assert "then 2 proposals" in text
