"""A space of a user's own: what is wrong with some of its draws is found before the first trial."""

from decimal import Decimal

import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

from cops_core.config import Control, Selection, TrialConfig
from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from search_spaces.question import Pareto, Rates
from study.records.tables import trial_row
from study.records.trial import StudyTrial
from study.search.first_draws import DRAWS

from .proposed import finish, run_all

SCORES = ["snip", "magnitude", "synflow"]


def space_of(sample):
    return SearchSpace("mine", sample, Rates(), 60)


def config(target, control):
    return TrialConfig(
        arm="freeze", selection=Selection(target=target, controls=(Control(score=control, level=0.3),))
    )


def pruning(trial):
    target = trial.suggest_categorical("target", SCORES)
    control = trial.suggest_categorical("control", SCORES)
    if target == control:
        raise TrialPruned
    return config(target, control)


def repeated_only(trial):
    """The opposite of `pruning`, apart from a few parameters."""
    target = trial.suggest_categorical("target", SCORES)
    control = trial.suggest_categorical("control", SCORES)
    if target != control:
        raise TrialPruned
    return TrialConfig(arm="freeze", selection=Selection(target=target))


def changing(trial):
    target = trial.suggest_categorical("target", SCORES)
    return config(target, trial.suggest_categorical("control", [s for s in SCORES if s != target]))


def repeating(trial):
    target = trial.suggest_categorical("target", SCORES)
    return config(target, trial.suggest_categorical("control", SCORES))


def prunes_all(trial):
    trial.suggest_categorical("target", SCORES)
    raise TrialPruned("never\nany")


def lists(trial):
    trial.suggest_categorical("recipe", [[0.01, 1], [0.02, 2]])
    return TrialConfig(arm="freeze", selection=Selection(target="snip"))


def rarely_fails(trial):
    if trial.suggest_float("x", 0, 1) > 0.8:
        raise KeyError("x")
    return TrialConfig(arm="freeze", selection=Selection(target="snip"))


def forgets(trial):
    trial.suggest_float("x", 0, 1)


WRONG = {
    changing: "changes the choices of 'control' from trial to trial: write another name",
    repeating: "repeat one: write a target and controls that all differ",
    prunes_all: r"prunes this draw \(TrialPruned: never any\)",
    lists: r"the choice \[.*\] of 'recipe' cannot be recorded: write choices as text, numbers or booleans",
    rarely_fails: "fails: KeyError: 'x'",
    forgets: "returns an object of type NoneType: write a function that returns a TrialConfig",
}


@pytest.mark.parametrize("sample", WRONG, ids=lambda sample: sample.__name__)
@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_what_is_wrong_is_one_line_before_the_first_trial(search_plan, sample):
    with pytest.raises(InputError, match=WRONG[sample]) as error:
        search_plan(space_of(sample), trials=9)
    assert "space 'mine'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("question", [Rates(), Pareto()])
@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "qmc", "nsga2", pytest.param("gp", marks=pytest.mark.slow)]
)
def test_a_draw_that_the_space_prunes_is_a_rejected_trial(search_plan, sampler, question):
    count = 20 if sampler == "gp" else 31  # its draws take longer, the more results it has
    subject = search_plan(space_of(pruning), trials=count, sampler=sampler, question=question, seeds=2)
    trials = run_all(subject)
    assert {trial.configuration for trial in trials} == set(range(count))
    proposals = [trial for trial in trials if trial.parameters]
    rejected = [trial for trial in proposals if trial.rejected]
    assert rejected
    assert all((t.parameters["target"] == t.parameters["control"]) == bool(t.rejected) for t in proposals)
    assert {trial.status for trial in rejected} == {"rejected"}
    assert {trial.rejected for trial in rejected} == {"TrialPruned"}
    assert len({trial.configuration for trial in rejected}) == len(rejected)  # one seed is enough
    received = [t for s in subject.histories.values() for t in s.trials if t.state == TrialState.PRUNED]
    received = [t for t in received if t.values is None and t.constraints.get("infeasible") == 1.0]
    numbers = {t.user_attrs["configuration"]: t.params for t in received}
    assert numbers == {trial.configuration: trial.parameters for trial in rejected}


def noisy(trial):
    return 0.5 + 0.01 * (hash(str(trial.parameters)) % 7) if trial.parameters else 0.5


@pytest.mark.parametrize("question", [Rates(), Pareto()])
@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "qmc", "nsga2", pytest.param("gp", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("cut", [9, 16])
def test_a_resumed_study_draws_as_it_would_have(search_plan, sampler, cut, question):
    def make():
        count = 18 if sampler == "gp" else 24
        return search_plan(space_of(pruning), trials=count, sampler=sampler, question=question)

    def run(subject, event):
        trials = []
        while not subject.exhausted:
            trial = subject.ask()
            trial.start_sequence, trial.finish_sequence = event, event + 1
            event += 2
            trials.append(finish(subject, trial, noisy(trial)))
        return trials

    whole = run(make(), 0)
    again = make()
    for trial in whole[:cut]:
        recorded = StudyTrial.from_record(trial.record())
        again.recall(recorded)
        again.tell(recorded)
    rest = run(again, 2 * cut)
    assert any(t.rejected for t in whole)
    assert [(t.parameters, t.rejected) for t in rest] == [(t.parameters, t.rejected) for t in whole[cut:]]


def test_a_rejection_is_recorded(ended):
    record = ended(rejected="TrialPruned: equal").record()
    assert record["rejected"] == "TrialPruned: equal"
    assert StudyTrial.from_record(record).rejected == "TrialPruned: equal"
    assert "rejected" not in ended().record()


def test_a_rejected_trial_has_no_method_and_no_arm(ended):
    trial = ended(rejected="TrialPruned", rate=Decimal("0.99"), parameters={"target": "snip"})
    assert (trial.title, trial.density) == ("rejected by the space q=0.99", pytest.approx(0.01))
    row = trial_row("mine", trial)
    assert (row["method"], row["arm"], row["config"]) == ("rejected by the space", None, None)
    assert row["proposed"] == '{"target": "snip"}'
    anywhere = trial_row("mine", ended(rejected="TrialPruned", rate=None))
    assert (anywhere["density"], anywhere["freezing_rate"]) == (None, None)


def recall_all(subject, trials):
    for trial in trials:
        subject.recall(trial)
        subject.tell(trial)


@pytest.mark.parametrize("now", [repeated_only, pruning])
def test_a_space_that_now_decides_otherwise_is_refused(search_plan, now):
    before = pruning if now is repeated_only else repeated_only
    trials = run_all(search_plan(space_of(before), trials=31, sampler="random"))
    changed = search_plan(space_of(now), trials=31, sampler="random")
    with pytest.raises(InputError, match=r"has changed since trial .* reject(s)? the parameters"):
        recall_all(changed, trials)


def test_parameters_that_are_given_may_not_be_pruned(search_plan):
    first = ({"target": "snip", "control": "snip"},)
    with pytest.raises(InputError, match="prunes this draw"):
        search_plan(space_of(pruning), trials=12, first=first)


def test_a_space_that_prunes_everything_later_ends_with_its_last_trial(search_plan):
    drawn: list[int] = []

    def sample(trial):
        trial.suggest_float("x", 0, 1)
        drawn.append(1)
        if len(drawn) > DRAWS:
            raise TrialPruned("never any")
        return TrialConfig(arm="freeze", selection=Selection(target="snip"))

    trials = run_all(search_plan(space_of(sample), trials=40))
    assert len(trials) == 40
    assert {trial.rejected for trial in trials if trial.parameters} == {"TrialPruned: never any"}
