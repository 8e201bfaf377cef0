"""`cops replay`: a trial is run again from MLflow alone, without Ray, and compared bit for bit."""

import io
import json
import math
from itertools import count

import pytest
import torch
from mlflow import MlflowClient
from rich.console import Console

from cops_core.config import Regrow, Selection, TrialConfig
from cops_core.errors import InputError
from cops_core.machine import machine
from cops_core.models.packages import package_version
from cops_core.trial import Trial
from search_spaces.question import Rates
from study.networks.replay import _check_package, _relative, replay
from study.records.trial import StudyTrial
from study.tracking import EXPERIMENT, MlflowView

from ..made_facts import made_facts

SETTINGS = {
    "study_id": "a0",
    "space": "quickstart",
    "trials": 1,
    "seeds": 1,
    "question": Rates().record(),
}
CONFIG = TrialConfig(
    arm="freeze",
    selection=Selection(target="snip", controls=[{"score": "synflow", "level": 0.3}]),
    density="0.05",
    seed=7,
    training={"epochs": 2, "probes": True},
)


def run_directly(config: TrialConfig, data_root, epochs=2) -> StudyTrial:
    """A trial as a worker would run it, with one thread, and its record."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trial = Trial(config, data_root=data_root)
        done = StudyTrial(number=0, config=config, identity="ab" * 32)
        for _ in range(epochs):
            done.add_row(trial.step().row())
    finally:
        torch.set_num_threads(before)
    done.facts = made_facts(**trial.facts, machine={**machine(), "threads": 1})
    done.status, done.ended = trial.status if trial.done else "stopped", done.started + 1
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run_directly(CONFIG, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def log(home, request):
    """Logs a trial into the home as a separate study; returns the id of its run."""
    numbers = count()

    def write(trial: StudyTrial) -> str:
        def nothing(file):
            raise FileNotFoundError(file)

        uri = f"sqlite:///{home / 'mlflow.db'}"
        name = f"{request.node.name}-{next(numbers)}"
        view = MlflowView(uri, home, name, SETTINGS, (), nothing)
        view.mark(trial)
        assert view.close(True, {}, 60) == []
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        wanted = f"tags.study = '{name}' and tags.trial = '{trial.name}'"
        (run,) = client.search_runs([experiment], wanted)
        return run.info.run_id

    return write


@pytest.fixture
def again(home, tmp_path):
    """Replays a run; returns the exit code and the lines."""

    def run(run_id, extensions=None):
        out = io.StringIO()
        code = replay(
            run_id,
            home=home,
            tracking_uri=None,
            data_root=tmp_path,
            extensions=extensions or {},
            console=Console(file=out, width=200),
        )
        return code, out.getvalue().splitlines()

    return run


def changed(trial: StudyTrial, facts=None, **row) -> StudyTrial:
    """A copy with other facts, and other metrics in its last epoch."""
    copy = StudyTrial.from_record(json.loads(json.dumps(trial.record())))
    copy.facts |= facts or {}
    copy.rows[-1] |= row
    return copy


def test_a_trial_is_the_same_bit_for_bit(trained, log, again):
    threads = torch.get_num_threads()
    code, lines = again(log(trained))
    assert code == 0
    assert lines == [
        f"mask identical ({trained.facts['mask_sha256'][:12]})",
        f"metrics identical bit for bit: {len(trained.rows[0]) - 2} in each of 2 epochs",
    ]
    assert torch.get_num_threads() == threads


def test_a_stopped_trial_is_run_for_its_recorded_epochs(log, again, tmp_path):
    code, lines = again(log(run_directly(CONFIG.changed(seed=8), tmp_path, epochs=1)))
    assert (code, lines[1]) == (0, "metrics identical bit for bit: 7 in each of 1 epochs")


def test_the_dense_trial_and_a_collapsed_one(log, again, tmp_path):
    dense = TrialConfig(training={"epochs": 1})
    code, lines = again(log(run_directly(dense, tmp_path, epochs=1)))
    assert (code, lines[0]) == (0, "no mask: the dense network")
    collapsed = TrialConfig(arm="prune", selection=Selection(target="random"), density="0.0001")
    trial = run_directly(collapsed, tmp_path, epochs=1)
    assert trial.status == "collapsed"
    assert again(log(trial))[0] == 0


def test_a_mask_that_changes_in_the_training_is_compared_before_and_after_it(log, again, tmp_path):
    selection = Selection(target="random", scope="erk", regrow=Regrow(every=5))
    trial = run_directly(CONFIG.changed(arm="prune", selection=selection), tmp_path)
    first, last = trial.facts["mask_sha256"], trial.facts["final_mask_sha256"]
    assert first != last
    code, lines = again(log(trial))
    assert (code, len(lines)) == (0, 3)
    assert lines[:2] == [
        f"mask identical ({first[:12]})",
        f"after the training: mask identical ({last[:12]})",
    ]
    code, lines = again(log(changed(trial, {"final_mask_sha256": "0" * 64})))
    assert (code, lines[1]) == (1, f"after the training: mask differs: {last[:12]}, not 000000000000")


def test_metrics_that_are_not_finite_are_the_same(log, again, tmp_path):
    config = CONFIG.changed(arm="prune", training={"epochs": 2, "learning_rate": 1e30})
    trial = run_directly(config, tmp_path, epochs=1)
    assert trial.status == "diverged"
    code, lines = again(log(trial))
    assert (code, lines[1]) == (0, "metrics identical bit for bit: 4 in each of 1 epochs")


def test_another_mask_is_another_trial(trained, log, again):
    code, lines = again(log(changed(trained, {"mask_sha256": "0" * 64})))
    assert code == 1
    assert lines[0] == f"mask differs: {trained.facts['mask_sha256'][:12]}, not 000000000000"
    code, lines = again(log(changed(trained, {"mask_sha256": "0" * 64, "theta0_sha256": "1" * 64})))
    assert (code, lines[1]) == (1, "initial weights differ")


def test_one_bit_of_one_metric_is_seen(trained, log, again):
    loss = math.nextafter(trained.rows[-1]["train_loss"], math.inf)
    code, lines = again(log(changed(trained, train_loss=loss)))
    assert code == 1
    assert lines[1].startswith("metrics differ, relatively at most: train_loss by ")
    assert float(lines[1].rpartition(" ")[2]) < 1e-15
    assert len(lines) == 2  # nothing about the machine, which is the same


def test_on_another_machine_the_last_bits_may_differ(trained, log, again):
    other = {"machine": {**trained.facts["machine"], "cpu": "Some CPU"}}
    loss = trained.rows[-1]["train_loss"]
    code, lines = again(log(changed(trained, other, train_loss=loss * 1.0005)))
    assert code == 0
    assert lines[2].startswith(f"cpu differs: {trained.facts['machine']['cpu']} here, Some CPU")
    assert again(log(changed(trained, other, train_loss=loss * 1.002)))[0] == 1
    assert again(log(changed(trained, other, train_loss=math.nan)))[0] == 1


def test_an_epoch_that_was_not_logged_is_seen(trained, log, again):
    longer = changed(trained)
    longer.add_row({**longer.rows[-1], "epoch": 3})
    code, lines = again(log(longer))
    assert (code, lines[1]) == (1, "the trial ended after 2 epochs, not 3")
    moved = changed(trained, epoch=9)
    assert again(log(moved))[0] == 1


@pytest.mark.parametrize(
    ("value", "logged", "expected"),
    [
        (2.0, 2.0, 0.0),
        (2.0, 1.0, 0.5),
        (-1.0, 1.0, 2.0),
        (0.0, 0.0, 0.0),
        (math.nan, math.nan, 0.0),
        (math.inf, math.nan, 0.0),
        (1.0, math.nan, math.inf),
        (math.nan, 1.0, math.inf),
        (1.0, None, math.inf),
    ],
)
def test_relative_differences_by_hand(value, logged, expected):
    assert _relative(value, logged) == expected


def test_another_version_of_the_networks_package_is_one_line():
    installed = package_version("torchvision")
    record = {"config": {"model": "torchvision/resnet50"}, "versions": {"torchvision": f"{installed}+cpu"}}
    _check_package(record)
    record["versions"]["torchvision"] = "0.1+cpu"
    with pytest.raises(InputError) as error:
        _check_package(record)
    assert str(error.value) == (
        f"this trial used torchvision 0.1, and {installed} is installed: install torchvision==0.1"
    )
    _check_package({"config": {"model": "lenet_300_100"}, "versions": {}})


def test_wrong_input_is_one_line(trained, log, again, home):
    run_id = log(trained)
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    run = client.get_run(run_id)
    foreign = client.create_run(run.info.experiment_id).info.run_id
    client.log_dict(foreign, {"lr": 0.1}, "config.json")
    infeasible = changed(trained)
    infeasible.rows, infeasible.stamps, infeasible.status = [], [], "infeasible"
    plugged = changed(trained, {"plugins": {"mine": "a" * 64}})
    elsewhere = changed(trained, {"data_sha256": "b" * 64})
    wrong = {
        "0" * 32: (f"no run {'0' * 32}", {}),
        run.data.tags["mlflow.parentRunId"]: ("has no config.json: ", {}),
        foreign: ("has no config, epochs", {}),
        log(infeasible): ("has no epoch (infeasible)", {}),
        log(plugged): ("add --plugin mine", {}),
        log(elsewhere): ("the data 'digits' are not those of the run", {}),
    }
    for source, (complaint, extensions) in wrong.items():
        with pytest.raises(InputError) as caught:
            again(source, extensions)
        assert complaint in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="another version of the plugin 'mine'"):
        again(log(plugged), {"mine": "c" * 64})
    assert again(log(plugged), {"mine": "a" * 64, "other": "d" * 64})[0] == 0
