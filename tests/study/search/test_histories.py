"""The histories of samplers, rebuilt from records alone."""

from dataclasses import replace
from decimal import Decimal

import pytest
from optuna.trial import TrialState

from cops_core.errors import InputError
from search_spaces import find_space
from search_spaces.base import SearchSpace
from search_spaces.question import Pareto, Rates
from study.records.trial import StudyTrial
from study.search.histories import histories, recorded_space

from ..made_facts import made_accounting, made_facts

RATES = (Decimal("0.95"), Decimal("0.99"))


def run_all(search_plan, leave_open=0, ends=("finished", "stopped", "failed")):
    """Runs a plan one trial at a time, as `StudyRun` would; the last `leave_open` never end."""
    trials, event = [], 0
    while not search_plan.exhausted:
        trial = search_plan.ask()
        trial.start_sequence, event = event, event + 1
        trial.identity = f"{trial.number:064x}"
        trials.append(trial)
        left = search_plan.size - trial.number - 1
        if left < leave_open:
            if not left:
                break
            continue
        trial.facts = made_facts(accounting=made_accounting(1000))
        trial.add_row({"epoch": 1, "validation_accuracy": 0.3 + 0.01 * (trial.number % 7)})
        trial.status = ends[max(trial.number - 5, 0) if trial.number < 5 + len(ends) else 0]
        if trial.status == "failed":
            trial.rows.clear()
        trial.finish_sequence, event = event, event + 1
        search_plan.tell(trial)
    return trials


def from_records(trials):
    return [StudyTrial.from_record(trial.record()) for trial in trials]


def content(study):
    return [
        (t.number, t.state, t.values, t.params, t.distributions, t.constraints, t.intermediate_values)
        for t in study.trials
    ]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_histories_are_those_of_the_study_that_ran(search_plan, sampler):
    question = Rates(RATES)
    subject = search_plan(question=question, trials=12, sampler=sampler, stopping="none")
    trials = run_all(subject, leave_open=2)
    made = histories(find_space("quickstart"), subject.settings, from_records(trials))
    assert list(made) == ["0.95", "0.99"]
    for rate, study in made.items():
        assert content(study) == content(subject.histories[rate])
    states = {t.user_attrs["configuration"]: t.state for study in made.values() for t in study.trials}
    assert states == {
        **dict.fromkeys(range(1, 10), TrialState.COMPLETE),
        6: TrialState.PRUNED,
        7: TrialState.FAIL,
        10: TrialState.RUNNING,
        11: TrialState.RUNNING,
    }


def test_if_the_rate_is_not_an_axis_there_is_one_history(search_plan):
    subject = search_plan("freezing_rates", question=Pareto(RATES), trials=9)
    trials = run_all(subject, ends=("finished", "failed"))
    made = histories(find_space("freezing_rates"), subject.settings, from_records(trials))
    assert list(made) == ["all"]
    assert content(made["all"]) == content(subject.histories["all"])
    assert "density" in made["all"].trials[-1].params


def test_the_trials_are_left_as_they_are(search_plan):
    subject = search_plan(question=Rates(RATES), trials=7, stopping="none")
    trials = run_all(subject)
    before = [trial.record() for trial in trials]
    histories(find_space("quickstart"), subject.settings, trials)
    assert [trial.record() for trial in trials] == before


def test_a_study_of_more_configurations_than_its_settings_say_is_whole(search_plan):
    subject = search_plan(question=Rates(RATES), trials=9, stopping="none")
    trials = run_all(subject)
    fewer = subject.settings.model_copy(update={"trials": 5})
    made = histories(find_space("quickstart"), fewer, trials)
    assert sum(len(study.trials) for study in made.values()) == 8


def test_a_space_that_changed_is_one_line(search_plan):
    space = find_space("quickstart")
    subject = search_plan(question=Rates(RATES), trials=6, stopping="none")
    trials = run_all(subject)

    def other(trial):
        config = space.sample(trial)
        return config.changed(training=config.training.model_copy(update={"batch_size": 7}))

    with pytest.raises(InputError, match=r"has changed since trial 0 .*training.batch_size 100, now 7"):
        histories(replace(space, sample=other), subject.settings, trials)
    assert isinstance(space, SearchSpace)


def test_a_missing_space_is_one_line(settings, tmp_path):
    gone = settings().model_copy(update={"space": str(tmp_path / "gone.py")})
    with pytest.raises(InputError, match=r"the space of study 'test' cannot be found.*gone.py is not a file"):
        recorded_space(gone)
    assert recorded_space(settings()).name == "quickstart"
