"""The test images: no study reads them, closing evaluates on them once, and records that."""

import hashlib
import io
from decimal import Decimal

import pytest
import torch
from rich.console import Console

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.data import DATASETS, ImageData, load_data
from cops_core.data.digits import digits
from cops_core.errors import InputError
from cops_core.identity import trial_identity
from cops_core.trial import Trial
from study.analysis.configurations import by_configuration
from study.networks.close import choose, close_study
from study.records.evaluations import Evaluation, is_closed, read_evaluations
from study.records.lease import Lease
from study.records.store import StudyStore
from study.records.trial import OPEN, StudyTrial

from ...declared import undeclared
from ..made_facts import made_facts
from ..made_record import made_record

TEST_FIELDS = ("test_images", "test_labels")
SNIP, RANDOM = Selection(target="snip", samples_per_class=2), Selection(target="random")
BASE = TrialConfig(validation_fraction="0.2", training=Training(epochs=3, learning_rate=0.1))


class Untouchable(torch.Tensor):
    """A tensor that fails at every operation."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"a test image or label was touched: {function}")


class Watched(ImageData):
    """A data set that notes each access to its test part."""

    taken: list

    def __getattribute__(self, name):
        if name in TEST_FIELDS:
            object.__getattribute__(self, "taken").append(name)
        return object.__getattribute__(self, name)


def fields(images=300):
    """Some of the digits."""
    data = digits(None)
    return {
        "name": "watched",
        "classes": 10,
        "train_images": data.train_images[:images],
        "train_labels": data.train_labels[:images],
        "test_images": data.test_images,
        "test_labels": data.test_labels,
    }


@pytest.fixture
def data(monkeypatch, tmp_path):
    """The data set `watched`, whose test part was not accessed yet."""
    made = object.__new__(Watched)
    made.__dict__["taken"] = []
    ImageData.__init__(made, **fields())
    assert len(made.sha256) == 64  # read once, for the hash alone
    monkeypatch.setitem(DATASETS, "watched", lambda root: made)
    load_data("watched", tmp_path)  # checked once, for types, shapes and numbers of classes alone
    made.taken.clear()
    return made


@pytest.fixture
def store(tmp_path):
    made = StudyStore(str(tmp_path / "home"), "mine")
    made.write_record(made_record({"trials": 1}))
    return made


@pytest.fixture
def close(store, tmp_path):
    """Closes the study; returns the results and the output."""

    def run(top=1, extensions=None, width=120):
        console = Console(file=io.StringIO(), width=width)
        results = close_study(
            store, top=top, data_root=tmp_path, extensions=extensions or {}, console=console
        )
        return results, console.file.getvalue()

    return run


@pytest.fixture
def ran(store, data, tmp_path):
    """Trains a configuration with a seed, and keeps its record and network as a worker does."""

    def run(number, *, keep=True, configuration=None, seed_index=0, baseline=False, rate=None, **changes):
        config = BASE.changed(dataset="watched", seed=100 + seed_index, **changes)
        trial = Trial(config, data_root=tmp_path)
        record = StudyTrial(
            number=number,
            config=config,
            configuration=number if configuration is None else configuration,
            seed_index=seed_index,
            baseline=baseline,
            rate=rate,
            identity=trial_identity(config, data.sha256),
        )
        while not trial.done:
            record.add_row(trial.step().row())
        content, file = trial.artifact(), f"artifacts/{record.name}.safetensors"
        record.status, record.facts = trial.status, made_facts(**trial.facts)
        if keep:
            store.write(file, content)
            record.facts["artifact"] = {"file": file, "sha256": hashlib.sha256(content).hexdigest()}
        store.save(record)
        return record

    return run


def frozen(selection=SNIP, density="0.05"):
    return {"arm": "freeze", "selection": selection, "density": density}


def test_a_whole_trial_never_touches_a_test_image_or_label(monkeypatch, tmp_path):
    poison = {name: torch.zeros(4).as_subclass(Untouchable) for name in TEST_FIELDS}
    poisoned = ImageData(**{**fields(), **poison})
    with pytest.raises(AssertionError, match="touched"):
        _ = poisoned.sha256  # the hash of the data reads them: it is replaced
    poisoned.__dict__["sha256"] = "0" * 64
    monkeypatch.setitem(DATASETS, "watched", lambda root: poisoned)
    trial = Trial(BASE.changed(dataset="watched", **frozen()), data=DATASETS["watched"](tmp_path))
    while not trial.done:
        trial.step()
    assert len(trial.artifact()) > 1000
    assert trial.status == "finished"
    with pytest.raises(AssertionError, match="touched"):
        trial.trainer.split.test()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        frozen(),
        {**frozen(), "arm": "prune"},
        {**frozen(), "arm": "freeze_wd"},
        {**frozen(), "training": BASE.training.model_copy(update={"precision": "float64"})},
        {**frozen(), "training": BASE.training.model_copy(update={"precision": "bfloat16"})},
    ],
    ids=["dense", "freeze", "prune", "freeze_wd", "float64", "bfloat16"],
)
def test_the_accuracy_is_that_of_the_trained_network_itself(ran, close, tmp_path, changes):
    record = ran(0, **changes)
    itself = Trial(record.config.changed(test=True), data_root=tmp_path)
    while not itself.done:
        itself.step()
    (result,), _ = close()
    assert result["test_accuracy"] == itself.facts["test_accuracy"]
    assert result["validation_accuracy"] == record.accuracy
    assert 0.2 < result["test_accuracy"] != result["validation_accuracy"]


def test_closing_reads_the_test_part_once_for_each_seed(ran, close, data):
    for seed_index in range(2):
        ran(seed_index, configuration=0, seed_index=seed_index, baseline=True)
        ran(2 + seed_index, configuration=1, seed_index=seed_index, **frozen())
    data.taken.clear()
    results, _ = close()
    assert len(results) == 4
    assert sorted(data.taken) == sorted(TEST_FIELDS * 2)


def test_a_study_of_real_trials_takes_no_test_part(ran, data):
    ran(0)
    ran(1, **frozen())
    assert data.taken == []


def test_validation_and_test_are_printed_with_their_intervals(ran, close):
    rate = Decimal("0.95")
    for seed_index in range(2):
        ran(seed_index, configuration=0, seed_index=seed_index, baseline=True)
        ran(2 + seed_index, configuration=1, seed_index=seed_index, rate=rate, **frozen())
        ran(4 + seed_index, configuration=2, seed_index=seed_index, rate=rate, **frozen(RANDOM))
    results, said = close(top=2)
    assert [(one["configuration"], one["seed_index"]) for one in results] == [
        (configuration, seed_index) for configuration in range(3) for seed_index in range(2)
    ]
    assert [one["rate"] for one in results] == [None, None, "0.95", "0.95", "0.95", "0.95"]
    lines = [" ".join(line.split()) for line in said.splitlines() if "±" in line]
    assert lines[0].startswith("dense")
    assert [line.split()[0] for line in lines[1:]] == ["0.95", "0.95"]
    for configuration, line in ((0, lines[0]), *((c, row_of(lines, c)) for c in (1, 2))):
        mine = [one for one in results if one["configuration"] == configuration]
        for name in ("validation_accuracy", "test_accuracy"):
            low, high = sorted(one[name] for one in mine)
            # Student's t for two values: half the difference times 12.7062.
            assert f"{(low + high) / 2:.2%} ± {(high - low) / 2 * 12.7062047:.2%}" in line
    validations = [float(line.split(" ± ")[0].rsplit(" ", 1)[1].rstrip("%")) for line in lines[1:]]
    assert validations == sorted(validations, reverse=True)


def test_no_name_is_cut_in_eighty_columns(ran, close):
    controlled = SNIP.model_copy(update={"controls": (Control(score="magnitude", level=0.123),)})
    for seed_index in range(2):
        ran(seed_index, configuration=0, seed_index=seed_index, rate=Decimal("0.95"), **frozen(controlled))
    _, said = close(width=80)
    assert "…" not in said
    before_validation = said.splitlines()[1].index("tried")
    names = "".join(line[4:before_validation] for line in said.splitlines()[2:])
    assert "".join(names.split()).startswith("freezecops(snip;magnitude0.123)")


def row_of(lines, configuration):
    return next(line for line in lines if f"freeze {'snip' if configuration == 1 else 'random'}" in line)


def test_an_evaluation_is_recorded_and_a_further_one_is_numbered(ran, close, store):
    record = ran(0, baseline=True)
    assert not is_closed(store)
    assert read_evaluations(store) == []
    (result,), said = close(top=3)
    assert "this is evaluation" not in said
    assert is_closed(store)
    (evaluation,) = read_evaluations(store)
    assert evaluation["results"] == [
        {
            "trial": record.name,
            "configuration": 0,
            "seed_index": 0,
            "method": "dense",
            "rate": None,
            "validation_accuracy": record.accuracy,
            "test_accuracy": result["test_accuracy"],
        }
    ]
    assert (evaluation["evaluation"], evaluation["top"], evaluation["not_evaluated"]) == (1, 3, {})
    assert evaluation["when"].endswith("+00:00")
    assert undeclared(evaluation, Evaluation) == []
    _, said = close(top=1)
    assert "this is evaluation 2 on the test images" in said
    assert [(one["evaluation"], one["top"]) for one in read_evaluations(store)] == [(1, 3), (2, 1)]
    assert read_evaluations(store)[0] == evaluation


def test_a_collapsed_network_guesses_and_is_not_evaluated(ran, close, data, store):
    record = ran(0, keep=False, arm="prune", selection=RANDOM, density="0.0001")
    assert record.status == "collapsed"
    data.taken.clear()
    (result,), _ = close()
    assert result["test_accuracy"] == 0.1
    assert data.taken == []


def test_a_trial_without_its_network_is_named_and_not_evaluated(ran, close, store):
    kept, none, gone, altered = (
        ran(number, baseline=True, keep=number != 1, configuration=0, seed_index=number)
        for number in range(4)
    )
    store.delete(gone.facts["artifact"]["file"])
    store.write(altered.facts["artifact"]["file"], b"something else")
    diverged = StudyTrial(
        number=9, configuration=0, seed_index=4, config=BASE, status="diverged", baseline=True
    )
    store.save(diverged)
    results, said = close()
    assert [one["trial"] for one in results] == [kept.name]
    (evaluation,) = read_evaluations(store)
    assert set(evaluation["not_evaluated"]) == {none.name, gone.name, altered.name, diverged.name}
    for trial, reason in (
        (none, "none was written"),
        (gone, "is gone"),
        (altered, "was altered"),
        (diverged, "it is diverged"),
    ):
        assert reason in evaluation["not_evaluated"][trial.name]
        assert f"not evaluated: {trial.name}, {evaluation['not_evaluated'][trial.name]}" in said


def test_of_a_baselines_configurations_the_best_is_evaluated(ended):
    """A baseline whose training is searched has several, as another method has."""
    trials = [ended(number, accuracies=(0.5 + number / 10,), baseline=True) for number in range(3)]
    trials.append(ended(3, accuracies=(0.1,), status="stopped", baseline=True))
    assert [found.number for found in choose(by_configuration(trials), top=1)] == [2]
    assert [found.number for found in choose(by_configuration(trials[3:]), top=1)] == [3]


@pytest.mark.parametrize("status", OPEN)
def test_a_study_that_has_not_ended_is_not_closed(ran, close, data, store, status):
    ran(0, baseline=True)
    store.save(StudyTrial(number=1, configuration=1, config=BASE, status=status))
    data.taken.clear()
    with pytest.raises(InputError, match=r"has not ended, 1 of its trials.* `cops resume mine`"):
        close()
    assert data.taken == []
    assert not is_closed(store)


def test_a_study_that_is_running_is_not_closed(ran, close, store):
    ran(0, baseline=True)
    with Lease(store), pytest.raises(InputError, match="is already run by process"):
        close()
    assert not is_closed(store)
    close()
    assert is_closed(store)


def test_other_data_than_the_trials_were_run_with_is_refused(ran, close, data, store):
    ran(0, baseline=True)
    data.__dict__["sha256"] = "f" * 64
    data.taken.clear()
    with pytest.raises(InputError, match=r"its SHA-256 differs.*--data-root"):
        close()
    assert data.taken == []
    assert not is_closed(store)


def test_a_study_without_results_is_refused_in_one_line(close, store, tmp_path):
    with pytest.raises(InputError, match="no finished trial to evaluate"):
        close()
    with pytest.raises(InputError, match="--top 0 chooses nothing: write 1 or more"):
        close(top=0)
    other = StudyStore(str(tmp_path / "home"), "nowhere")
    with pytest.raises(InputError, match="unknown study 'nowhere'"):
        close_study(other, top=1, data_root=tmp_path, extensions={}, console=Console())
    assert not (tmp_path / "home" / "nowhere").exists()
