"""GPUs for each trial, from Ray's resources and the settings."""

import pytest

from cops_core.config import TrialConfig
from cops_core.demand import Demand
from cops_core.errors import InputError
from search_spaces.question import Pareto
from study.run.ray import gpus
from study.run.ray.gpus import usual_share
from study.run.ray.nodes import places
from study.settings import make_settings

GIB = 2**30


@pytest.fixture
def share(monkeypatch):
    """The share on a cluster with these resources."""

    def of(asked, there, trials=100, address=None, device="auto", stopped=False):
        monkeypatch.setattr("ray.cluster_resources", lambda: there)
        settings = make_settings(
            space="quickstart",
            name="x",
            trials=1,
            question=Pareto(),
            gpus_per_trial=asked,
            address=address,
            device=device,
        )
        return usual_share(settings, TrialConfig(), None, trials, lambda: stopped)[0]

    return of


@pytest.mark.parametrize(
    ("asked", "there", "expected"),
    [
        (None, {"CPU": 4.0}, 0),
        (None, {"CPU": 4.0, "GPU": 2.0}, 1),
        ("auto", {"CPU": 4.0}, 0),
        (0.25, {"CPU": 4.0, "GPU": 2.0}, 0.25),
        (0.0, {"CPU": 4.0, "GPU": 2.0}, 0),
        (2.0, {"CPU": 4.0, "GPU": 2.0}, 2),
    ],
)
def test_the_setting_else_one_if_there_is_one(share, asked, there, expected):
    assert share(asked, there) == expected


def test_more_than_this_machine_has_is_refused_and_a_cluster_may_grow(share):
    with pytest.raises(InputError, match="has 1 GPUs; write 1 or less"):
        share(2.0, {"CPU": 4.0, "GPU": 1.0})
    with pytest.raises(InputError, match="leave it out to train on the CPU"):
        share(0.5, {"CPU": 4.0})
    assert share(2.0, {}, address="auto") == 2


def test_a_cluster_without_workers_does_not_train_on_the_cpu_by_accident(share):
    with pytest.raises(InputError, match="write --gpus-per-trial auto"):
        share(None, {}, address="auto")
    assert share(0.0, {}, address="auto") == 0


def test_on_the_cpu_trials_have_only_the_requested_gpus(share):
    assert share(None, {"CPU": 4.0, "GPU": 2.0}, device="cpu") == 0
    assert share("auto", {"CPU": 4.0, "GPU": 2.0}, device="cpu") == 0
    assert share(0.5, {"CPU": 4.0, "GPU": 2.0}, device="cpu") == 0.5


class Measured:
    """Replaces the measurement on a GPU of the cluster, which this machine may not have."""

    def __init__(self, demand):
        self.demand, self.resources = demand, None

    def options(self, **resources):
        self.resources = resources
        return self

    def remote(self, *_):
        return self.demand


@pytest.mark.parametrize(
    ("peak", "busy", "trials", "expected"),
    [
        (2 * GIB, 0.1, 100, 0.1),  # ten keep it busy
        (6 * GIB, 0.1, 100, 0.3333),  # three fit, with room to spare
        (2 * GIB, 0.1, 6, 0.5),  # three GPUs, six trials
        (2 * GIB, 0.1, 3, 1.0),
        (20 * GIB, 0.1, 100, 1.0),
    ],
)
def test_auto_is_as_much_as_one_trial_needs(share, monkeypatch, peak, busy, trials, expected):
    measured = Measured(Demand(peak_bytes=peak, total_bytes=24 * GIB, busy=busy))
    monkeypatch.setattr(gpus, "_measure", measured)
    monkeypatch.setattr("ray.get", lambda value: value)
    monkeypatch.setattr("ray.wait", lambda tasks, timeout: (tasks, []))
    assert share("auto", {"CPU": 12.0, "GPU": 3.0}, trials, "auto") == expected
    assert measured.resources == {"num_gpus": 1, "num_cpus": 1}


def test_waiting_for_a_gpu_can_be_stopped(share, monkeypatch):
    monkeypatch.setattr(gpus, "_measure", Measured(None))
    monkeypatch.setattr("ray.wait", lambda tasks, timeout: ([], tasks))
    with pytest.raises(InputError, match="stopped before there was a GPU"):
        share("auto", {"CPU": 8.0}, address="auto", stopped=True)


NODE = {"Alive": True, "NodeManagerAddress": "here"}


@pytest.mark.parametrize(
    ("nodes", "cpus", "each", "expected"),
    [
        ([(4, 2), (4, 2)], 1, 0.5, 8),
        ([(4, 2), (4, 2)], 1, 0.6, 4),  # no trial has parts of two GPUs
        ([(48, 4)], 1, 0.4, 8),
        ([(48, 4)], 1, 0.3333, 12),
        ([(48, 4)], 1, 2.0, 2),
        ([(3, 4)], 1, 0.5, 3),
        ([(7, 0), (3, 0)], 2, 0.0, 4),
        ([(0, 0)], 1, 0.0, 0),
    ],
)
def test_places_are_counted_on_each_node_and_gpu(monkeypatch, nodes, cpus, each, expected):
    there = [
        {**NODE, "NodeID": str(number), "Resources": {"CPU": float(cpu), "GPU": float(gpu)}}
        for number, (cpu, gpu) in enumerate(nodes)
    ]
    monkeypatch.setattr("ray.nodes", lambda: [*there, {**there[0], "Alive": False}])
    assert places(cpus, each) == expected


@pytest.mark.gpu
def test_a_study_measures_and_shares_a_real_gpu(tmp_path):
    import study

    table = study.launch("quickstart", trials=8, epochs=3, gpus_per_trial="auto", home=tmp_path / "home")
    assert set(table.status) == {"finished"}
    assert table.attrs["complete"]
