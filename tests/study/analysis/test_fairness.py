"""What is not equal between results, for spaces of any kind: budgets, epochs, recipes, seeds."""

import math

import pytest

from cops_core.config import Training
from study.analysis.comparisons import comparisons
from study.analysis.configurations import by_configuration
from study.analysis.fairness import BUDGET, EPOCHS, SEARCHED, SEEDS, choice, choices, differences
from study.analysis.fairness_words import parameters, trial_numbers, warnings


@pytest.fixture
def tried(made):
    """Makes a configuration: its trials, with what the sampler proposed, or as a baseline."""

    def make(number, accuracy, *args, proposed=None, seeds=2, status="finished", **config):
        training = Training(**config.pop("training", {}))
        accuracies = [accuracy + 0.01 * seed for seed in range(seeds)]
        trials = made(number, accuracies, *args, status=status, training=training, **config)
        for trial in trials:
            trial.parameters, trial.baseline = proposed or {}, proposed is None
        return trials

    return make


def proposal(lr, **more):
    return {"proposed": {"learning_rate": lr, **more}, "training": {"learning_rate": lr}}


def of(*groups):
    """The configurations by number, and each as chosen from those of its method and rate."""
    found = by_configuration([trial for group in groups for trial in group])
    return found, dict(zip([each.number for each in found], choices(found, found), strict=True))


def test_the_number_behind_a_choice_is_that_of_its_method_and_rate(tried):
    _, chosen = of(
        tried(0, 0.9, arm="dense"),
        tried(1, 0.5),
        tried(2, 0.6, **proposal(0.1)),
        tried(3, 0.2, status="stopped", seeds=1, **proposal(0.2)),
        tried(4, 0.4, seeds=1, **proposal(0.3)),  # lost its race over seeds
        tried(5, 0.4, rate="0.9", **proposal(0.3)),
        tried(6, 0.4, "grasp", **proposal(0.3)),
    )
    assert {n: each.shown_budget for n, each in chosen.items() if n in (0, 2, 5, 6)} == {
        0: "1",
        2: "4 (2)",
        5: "1",
        6: "1",
    }


def test_draws_that_the_space_rejected_are_not_configurations(tried):
    rejected = tried(2, 0.1, status="rejected", **proposal(0.1))
    for trial in rejected:
        trial.rejected = "too large"
    found, _ = of(tried(1, 0.5), rejected)
    assert choice(found[0], found, found).budget == 1


def test_a_fixed_recipe_is_told_from_a_searched_one(tried):
    """A frozen network at a searched learning rate, a pruned baseline at a fixed one."""
    _, chosen = of(
        tried(0, 0.5, arm="prune"),
        *(tried(n, 0.5 + n / 10, **proposal(lr)) for n, lr in ((1, 0.02), (2, 0.173), (3, 0.1))),
    )
    assert differences([chosen[2], chosen[0]]) == {BUDGET: (3, 1), "learning_rate": (SEARCHED, 0.05)}
    assert chosen[2].shown("learning_rate") == "searched, 0.173"
    assert chosen[0].shown("learning_rate") == "0.05"
    text = " ".join(warnings([chosen[0], chosen[2]]))
    assert "1 to 3 configurations" in text
    assert "learning rate 0.05 for prune snip; searched for freeze snip" in text


def test_searched_values_of_equal_budgets_are_equal(tried):
    _, chosen = of(
        *(tried(n, 0.5, arm="prune", **proposal(lr)) for n, lr in ((1, 0.02), (2, 0.1))),
        *(tried(n, 0.6, **proposal(lr)) for n, lr in ((3, 0.05), (4, 0.173))),
    )
    assert differences([chosen[2], chosen[4]]) == {}
    assert warnings([chosen[2], chosen[4]]) == []


def test_a_parameter_of_another_name_is_found_by_its_value(tried):
    """A space of one's own calls the learning rate `step size!`; pruned networks have a fixed one."""
    own = [
        tried(n, 0.5, proposed={"step size!": lr}, training={"learning_rate": lr})
        for n, lr in ((1, 0.1), (2, 0.2))
    ]
    fixed = [tried(n, 0.4, arm="prune", proposed={"width": 3}) for n in (3, 4)]
    _, chosen = of(*own, *fixed)
    assert differences([chosen[1], chosen[3]]) == {"learning_rate": (SEARCHED, 0.05)}


def test_a_derived_parameter_is_searched_if_it_varies(tried):
    own = [
        tried(n, 0.5, proposed={"exponent": n}, training={"batch_size": 2**n, "learning_rate": 0.1})
        for n in (4, 5)
    ]
    single = tried(
        6, 0.4, "grasp", proposed={"exponent": 6}, training={"batch_size": 64, "learning_rate": 0.1}
    )
    _, chosen = of(*own, single)
    assert chosen[4].conditions["batch_size"] == chosen[6].conditions["batch_size"] == SEARCHED
    assert chosen[4].conditions["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ({"epochs": 4}, {EPOCHS: (10, 4)}),
        ({"batch_size": 50}, {"batch_size": (100, 50)}),
        ({"warmup_epochs": 1.0}, {"warmup_epochs": (0.0, 1.0)}),
        ({"max_gradient_norm": 2.0}, {"max_gradient_norm": ("none", 2.0)}),
        ({"optimizer": "adamw"}, {"optimizer": ("sgd", "adamw")}),
        ({"probes": True}, {}),
    ],
)
def test_fixed_fields_that_differ_are_named(tried, change, values):
    _, chosen = of(tried(1, 0.5), tried(2, 0.6, "grasp", training=change))
    assert differences([chosen[1], chosen[2]]) == values


def test_seeds_are_compared_by_value(tried):
    _, chosen = of(tried(1, 0.5), tried(2, 0.6, "grasp", seeds=3))
    (values,) = differences([chosen[1], chosen[2]]).values()
    assert values == ({100, 101}, {100, 101, 102})
    assert [chosen[n].shown(SEEDS) for n in (1, 2)] == ["2", "3"]


def test_a_dense_network_is_compared_in_what_it_has(tried):
    selection = {"samples_per_class": 3}
    _, chosen = of(tried(0, 0.9, arm="dense"), tried(1, 0.5, selection=selection), tried(2, 0.4, "grasp"))
    assert differences([chosen[0], chosen[1]]) == {}
    assert differences([chosen[0], chosen[1], chosen[2]]) == {"samples_per_class": (None, 3, 10)}


def test_no_p_value_between_unequal_budgets(tried):
    _, chosen = of(
        *(tried(n, 0.5 + n / 10, seeds=3, **proposal(0.1 * n)) for n in (1, 2)),
        tried(3, 0.4, "grasp", seeds=3),
        *(tried(n, 0.05 * n, "synflow", seeds=3, **proposal(0.01 * n)) for n in (4, 5)),
    )
    first, second = comparisons([chosen[2], chosen[5], chosen[3]])
    assert (first.other.number, first.unequal) == (5, False)
    assert first.p_value < 1
    assert (second.other.number, second.unequal) == (3, True)
    assert math.isnan(second.p_value)
    assert second.difference == pytest.approx(0.3)


def test_what_was_chosen_has_the_learning_rate_and_what_differs(tried):
    _, chosen = of(
        tried(1, 0.5),
        tried(2, 0.6, training={"batch_size": 50}),
        tried(3, 0.6, selection={"if_infeasible": "end"}),
    )
    assert parameters(list(chosen.values())) == [
        {"learning rate": "0.05", "batch size": "100", "if infeasible": "shrink"},
        {"learning rate": "0.05", "batch size": "50", "if infeasible": "shrink"},
        {"learning rate": "0.05", "batch size": "100", "if infeasible": "end"},
    ]
    assert [trial_numbers(each) for each in chosen.values()] == ["10, 11", "20, 21", "30, 31"]


def test_a_method_is_named_with_its_rate_where_rates_differ(tried):
    _, chosen = of(
        tried(1, 0.5, rate="0.9"),
        tried(2, 0.5, "grasp", rate="0.9", **proposal(0.1)),
        tried(3, 0.5, rate="0.99", **proposal(0.2)),
        tried(4, 0.5, "grasp", rate="0.99", training={"epochs": 3}),
    )
    found = warnings(list(chosen.values()))
    assert len(found) == 2
    assert "epochs 10 for freeze snip; 3 for freeze grasp" in found[0]
    assert "freeze snip at 0.9" in found[1]
    assert "freeze grasp at 0.99" in found[1]


def test_nothing_differs_within_one_or_none():
    assert differences([]) == {}
    assert warnings([]) == []
    assert choices([], []) == ()
