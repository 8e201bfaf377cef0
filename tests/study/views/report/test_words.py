"""The sentences and commands of a report: no mean without its interval and its number of seeds."""

import sys
from decimal import Decimal

import pytest

import study.run.launch
from cops_core.trainers import ACCURACY
from search_spaces.question import Pareto, Rates, Smallest
from study import cli
from study.analysis.answer import NOTHING, headline
from study.analysis.configurations import by_configuration
from study.analysis.statistics import Interval
from study.analysis.words import means, seconds, share, size
from study.settings import make_settings, parse_settings
from study.views.report.command import launch_command
from study.views.report.ends import ends, why

RATES = Rates((Decimal("0.9"), Decimal("0.99")))
SMALLEST = Smallest(keep=Decimal("0.8"), rates=(Decimal("0.99"),))
RECORD = {"name": "mine", "space": "quickstart", "trials": 3, "question": RATES.record(), "plugins": {}}


def plain(text):
    return text.replace("\u00a0", " ")


def said(trials, question=RATES):
    return plain(headline(by_configuration(trials), question))


def test_a_share_has_its_interval_and_its_seeds():
    assert plain(share(Interval(0.8181, 0.0123, 5, 0.01))) == "81.81 % ± 1.23 % (5 seeds)"
    assert plain(means([0.5], ACCURACY)) == "50.00 % (1 seed)"
    assert means([], ACCURACY) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12 B"), (14_234, "14.2 kB"), (1_066_440, "1.07 MB"), (3e9, "3 GB"), (float("nan"), "")],
)
def test_sizes(count, text):
    assert size(count) == text


@pytest.mark.parametrize(("total", "text"), [(3.2, "3 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(total, text):
    assert seconds(total) == text


def test_the_headline_is_the_best_of_each_arm_at_the_highest_rate(studies):
    assert said(studies["rates and seeds"]) == (
        "At a freezing rate of 0.99, freeze cops(snip; synflow 0.5) reaches a validation accuracy of"
        " 81.00 % ± 2.48 % (3 seeds), prune cops(grasp; magnitude 0.5) 51.00 % ± 2.48 % (3 seeds)."
        " The dense network has 97.00 % ± 2.48 % (3 seeds)."
    )


def test_a_headline_of_one_seed_says_so(studies):
    assert "80.00 % (1 seed)" in said(studies["one seed"])


@pytest.mark.parametrize("question", [RATES, SMALLEST, Pareto(cost="bytes")])
def test_no_headline_before_anything_has_ended(studies, question):
    for kind in ("nothing", "only failures", "one trial that runs"):
        assert said(studies[kind], question) == NOTHING


def test_the_headline_of_a_front_says_where_it_begins_and_ends(studies):
    question = Pareto(cost="bytes")
    assert said(studies["a searched rate"], question) == (
        "4 configurations are on the front of accuracy and bytes, from 65.00 % (1 seed) at a density of"
        " 0.001 (1 kB) to 95.00 % (1 seed) at a density of 0.4 (400 kB)."
        " The dense network has 97.00 % (1 seed)."
    )


def test_the_headline_of_the_smallest_is_the_sparsest_that_keeps_enough(studies):
    assert said(studies["a searched rate"], Smallest(keep=Decimal("0.85"))) == (
        "The fewest weights that keep 85.0% of the dense network's accuracy: a density of 0.05"
        " (100 parameters), with freeze cops(snip; synflow 0.5) at 85.00 % (1 seed)."
        " The dense network has 97.00 % (1 seed)."
    )
    assert said(studies["a searched rate"], Smallest(keep=Decimal("0.999"))).startswith(
        "No configuration with a mask keeps 99.9% of the dense network's accuracy."
    )


def test_what_did_not_finish_has_its_reason(made):
    (failed,) = made(1, (None,), status="failed")
    failed.reason = "ValueError: one\nand two"
    (stopped,) = made(2, (0.5,), "grasp", status="stopped")
    collapsed = made(3, (0.1, 0.1), "synflow", arm="prune", status="collapsed")
    collapsed[0].facts["connectivity"]["empty_layers"] = ["fc1.weight", "fc2.weight"]
    collapsed[1].facts["connectivity"]["dead_layers"] = ["fc3.weight"]
    assert [why(trial) for trial in (failed, stopped, *collapsed)] == [
        "ValueError: one and two",
        "lost its race in epoch 2 of 10",
        "no weight is left in fc1, fc2",
        "no signal passes fc3",
    ]
    rows = ends([*made(0, (0.9,)), stopped, failed, *collapsed])
    assert [(end.status, end.method, len(end.trials), end.rates) for end in rows] == [
        ("stopped", "freeze grasp", 1, ("0.99",)),
        ("failed", "freeze snip", 1, ("0.99",)),
        ("collapsed", "prune synflow, one-shot", 2, ("0.99",)),
    ]
    assert rows[2].why == "no weight is left in fc1, fc2; no signal passes fc3"


# Every setting on which results depend, each at least once not the default.
SETTINGS = [
    {"question": Rates((Decimal("0.9"), Decimal("0.995"))), "seeds": 3, "racing": False, "stopping": "none"},
    {
        "question": Rates((Decimal("0.99"),)),
        "seed": 7,
        "epochs": 2,
        "sampler": "qmc",
        "stopping": "hyperband",
    },
    {"question": Pareto(rates=(Decimal("0.99"),), cost="bytes"), "concurrency": 3},
    {"question": Pareto(rates=(Decimal("0.9"), Decimal("0.99"))), "cpus_per_trial": 2, "sampler": "nsga2"},
    {"question": Smallest(keep=Decimal("0.98"), rates=(Decimal("0.99"),)), "seeds": 2},
]


@pytest.mark.parametrize("changes", SETTINGS)
def test_the_command_asks_for_the_same_study(changes, monkeypatch, score_cache):
    """The real command line must parse it to the settings from which it was made."""
    asked = make_settings(space="quickstart", name="again", trials=9, score_cache=score_cache, **changes)
    received = []

    def launch(space, settings, console, **more):
        received.append(settings)
        return 0

    monkeypatch.setattr(study.run.launch, "launch", launch)
    monkeypatch.setattr(sys, "argv", launch_command(asked.name, asked.record()).split())
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert received[0].record() == asked.record()
    assert parse_settings(asked.record()) == asked


def test_imported_proposals_are_a_comment_after_the_command():
    record = {**RECORD, "first": [{"arm": "prune"}]}
    command, _, comment = launch_command("mine", record).partition("  # ")
    assert command == "cops launch quickstart --name mine --trials 3 --rates 0.9,0.99"
    assert "cops import" in comment


def test_an_experiment_is_run_again_as_such():
    record = {**RECORD, "kind": "experiment", "space": "headline"}
    assert launch_command("headline-choose", record) == "cops experiment headline"


def test_a_name_that_a_shell_would_split_is_quoted():
    record = {**RECORD, "space": "my space.py", "plugins": {"my_scores": "0"}}
    assert launch_command("mine", record) == (
        "cops launch 'my space.py' --name mine --trials 3 --rates 0.9,0.99 --plugin my_scores"
    )
