"""The same study again: which settings may differ, and which are refused and not recorded."""

import json

import pytest

from cops_core.errors import InputError
from search_spaces.question import Pareto, Rates, Smallest
from study.places import storage_uri
from study.records.store import StudyStore
from study.run.resume import resume
from study.run.same import check_same
from study.settings import Settings, parse_settings, setting_flags

from ..made_record import made_record


def test_settings_come_back_from_their_record(settings):
    for question in (Rates(), Pareto(cost="bytes"), Smallest()):
        fields = {"dataset": "digits", "model": "mlp_512", "learning_rate": 0.1}
        changes = {"seeds": 3, "sampler": "gp", "epochs": 4, "tracking_uri": "sqlite:///here.db"}
        made = settings(question=question, **fields, **changes)
        again = parse_settings(json.loads(json.dumps(made.record())))
        assert again == made
        check_same("test", made.record(), again.record())


def test_paths_mean_the_same_from_another_folder(settings, monkeypatch, tmp_path):
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    made = settings(data_root="data", score_cache="scores", tracking_uri="sqlite:///here.db")
    monkeypatch.chdir(tmp_path)
    assert made.data_root == tmp_path / "one" / "data"
    assert made.score_cache == tmp_path / "one" / "scores"
    assert made.tracking_uri == f"sqlite:///{tmp_path}/one/here.db"


def test_what_a_study_is_never_changes():
    """Each setting declares whether a study is the same with another value of it."""
    free = {name for name, flag in setting_flags().items() if flag.changes != "never"}
    compared = {"space", "question", "seed", "seeds", "racing", "sampler", "stopping", "epochs", "plugins"}
    compared |= {"dataset", "model", "learning_rate"}
    assert set(Settings.model_fields) - free == compared | {"first", "kind"}


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 1}, "seed 0, now 1"),
        ({"seeds": 2}, "seeds 1, now 2"),
        ({"epochs": 3}, "epochs None, now 3"),
        ({"model": "resnet20"}, "model None, now resnet20"),
        ({"learning_rate": 0.1}, "learning rate None, now 0.1"),
        ({"sampler": "random"}, "sampler tpe, now random"),
        ({"stopping": "none"}, "stopping asha, now none"),
        ({"racing": False}, "racing True, now False"),
        ({"question": Pareto()}, "kind rates, rates 0.95,0.99,0.995), now (kind pareto"),
        ({"space": "other"}, "space quickstart, now other"),
        ({"first": ({"arm": "prune"},)}, "first 0 configurations, now 1 configurations"),
    ],
    ids=str,
)
def test_other_settings_are_refused_with_the_difference(settings, changes, difference):
    before, now = settings().record(), settings().model_copy(update=changes).record()
    with pytest.raises(InputError, match="already exists with other settings") as caught:
        check_same("test", before, now)
    assert difference in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_and_on_what_it_runs_may_change(settings, tmp_path):
    now = settings(trials=99, concurrency=3, cpus_per_trial=2, home=tmp_path / "b", failure_share=0.5)
    check_same("test", settings().record(), now.record())


def test_a_space_in_a_file_may_lie_elsewhere(settings):
    before = settings().model_copy(update={"space": "/one/mine.py"}).record()
    check_same("test", before, settings().model_copy(update={"space": "/two/mine.py"}).record())


def test_a_setting_that_did_not_exist_had_its_default(settings):
    before = settings().record()
    del before["sampler"]
    check_same("test", before, settings().record())
    with pytest.raises(InputError, match="sampler tpe, now qmc"):
        check_same("test", before, settings(sampler="qmc").record())


def run_again(settings, name="test", **changes):
    return resume(name, {"home": settings.home, **changes}, (), None)


@pytest.fixture
def recorded(settings):
    made = settings()
    StudyStore(made.storage_uri, "test").write_record(made_record(made.record()))
    return made


@pytest.mark.parametrize(
    ("name", "value"), [("concurrency", 0), ("cpus_per_trial", 0), ("gpus_per_trial", -1), ("trials", 0)]
)
def test_a_wrong_value_is_refused_and_not_recorded(recorded, name, value):
    with pytest.raises(InputError, match=name):
        run_again(recorded, **{name: value})
    assert StudyStore(recorded.storage_uri, "test").record()["settings"] == recorded.record()


def test_an_unknown_study_is_answered_with_the_nearest(recorded):
    with pytest.raises(InputError, match="unknown study 'tset': did you mean 'test'"):
        run_again(recorded, "tset")


def test_the_plugins_of_the_study_are_required(recorded):
    record = {**recorded.record(), "plugins": {"mine": "ab" * 32}}
    StudyStore(recorded.storage_uri, "test").write_record(made_record(record))
    with pytest.raises(InputError, match="used plugins: add --plugin mine"):
        run_again(recorded)


def test_a_part_of_an_experiment_is_resumed_by_its_own_command(recorded):
    record = {**recorded.record(), "kind": "experiment", "space": "headline"}
    StudyStore(recorded.storage_uri, "test").write_record(made_record(record))
    with pytest.raises(InputError, match="cops experiment headline resumes it"):
        run_again(recorded)


@pytest.mark.parametrize("typo", ["s3:/bucket/dir", "s3:bucket", "gs:/b"])
def test_a_wrong_uri_is_not_a_folder(tmp_path, typo):
    with pytest.raises(InputError, match="write two slashes"):
        storage_uri(tmp_path, typo)


@pytest.mark.parametrize("storage", ["s3://bucket/dir", "file:///here", "records", "./a:b/c", "/a/b"])
def test_folders_and_uris_are_taken(tmp_path, storage):
    assert storage_uri(tmp_path, storage).endswith(storage.removeprefix("./"))
