"""Results of other studies: found by identity alone, and copied completely."""

import hashlib
import json
import math
import time
from decimal import Decimal

import pytest

from cops_core.config import Selection, TrialConfig
from cops_core.identity import trial_identity
from study.records import library as library_module
from study.records.library import Library
from study.records.store import StudyStore
from study.records.trial import RESULTS, StudyTrial

from ..made_facts import made_facts
from ..made_record import made_record

CONFIG = TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01", seed=5)
IDENTITY = trial_identity(CONFIG, "a" * 64)
NETWORK = b"a network in a few kilobytes"
NAME = f"00003-{IDENTITY[:16]}"


@pytest.fixture(params=["folder", "uri"])
def storage(request, tmp_path):
    return str(tmp_path / "all") if request.param == "folder" else (tmp_path / "all").as_uri()


def study(storage, name, *trials):
    """A study with these trials in its records."""
    store = StudyStore(storage, name)
    store.write_record(made_record())
    for trial in trials:
        store.save(trial)
    return store


def done(number=3, status="finished", **changes):
    trial = StudyTrial(number=number, config=CONFIG, status=status, **{"identity": IDENTITY, **changes})
    trial.facts = made_facts()
    trial.add_row({"epoch": 1, "validation_accuracy": 0.4, "train_loss": math.nan}, stamp=1111)
    trial.add_row({"epoch": 2, "validation_accuracy": 0.7, "train_loss": 0.1}, stamp=2222)
    return trial


def with_network(store, trial, content=NETWORK):
    """Write the trial's artefact and its record."""
    file = f"artifacts/{trial.name}.safetensors"
    store.write(file, content)
    trial.facts["artifact"] = {"file": file, "sha256": hashlib.sha256(NETWORK).hexdigest()}
    store.save(trial)


def test_a_result_of_another_study_is_found_by_its_identity(storage):
    study(storage, "earlier", done())
    study(storage, "mine")
    name, trial = Library(storage, "mine").find(IDENTITY)
    assert (name, trial.name) == ("earlier", NAME)
    assert trial.config == CONFIG
    assert trial.accuracy == 0.7
    assert Library(storage, "mine").find(trial_identity(CONFIG, "b" * 64)) is None


@pytest.mark.parametrize("status", ["running", "interrupted", "stopped", "failed", "out_of_memory", "killed"])
def test_other_ends_are_not_results(storage, status):
    study(storage, "earlier", done(status=status))
    mine = Library(storage, "mine")
    mine.ended(done(status=status))
    assert mine.find(IDENTITY) is None


@pytest.mark.parametrize("status", RESULTS)
def test_every_result_is_found(storage, status):
    study(storage, "earlier", done(status=status, reason="because"))
    assert Library(storage, "mine").find(IDENTITY)[1].status == status


def test_an_identity_that_begins_alike_is_another(storage):
    lookalike = IDENTITY[:16] + "0" * 48
    assert lookalike != IDENTITY
    study(storage, "earlier", done(1, identity=lookalike), done(2))
    library = Library(storage, "mine")
    assert library.find(IDENTITY)[1].number == 2
    assert library.find(lookalike)[1].number == 1
    assert library.find(IDENTITY[:16] + "1" * 48) is None


def test_its_own_results_are_found_at_once_and_first(storage):
    study(storage, "earlier", done())
    library = Library(storage, "mine")
    assert library.find(IDENTITY)[0] == "earlier"
    ended = done(9)
    library.ended(ended)
    assert library.find(IDENTITY) == ("mine", ended)
    resumed = Library(storage, "mine")
    resumed.recalled([done(2, "failed"), ended, done(11)])
    assert resumed.find(IDENTITY) == ("mine", ended)


def test_its_own_records_are_found_too(storage):
    study(storage, "mine", done())
    assert Library(storage, "mine").find(IDENTITY)[0] == "mine"


def test_trials_without_an_identity_are_not_mistaken_for_each_other(storage):
    study(storage, "earlier", done(identity=""))
    library = Library(storage, "mine")
    library.ended(done(identity=""))
    assert library.find("") is None


def test_of_several_studies_the_first_by_name_and_number_answers(storage):
    for name in ("c", "a", "b"):
        study(storage, name, done(7), done(4))
    study(storage, "a", done(5))
    name, trial = Library(storage, "mine").find(IDENTITY)
    assert (name, trial.number) == ("a", 4)


def test_records_that_cannot_be_read_are_not_found(storage):
    store = study(storage, "earlier")
    whole = done().record()
    wrong = {
        "empty": b"",
        "half": json.dumps(whole).encode()[:200],
        "list": b"[1, 2]",
        "no config": json.dumps({k: v for k, v in whole.items() if k != "config"}).encode(),
        "no rows": json.dumps({**whole, "rows": None}).encode(),
        "another version": json.dumps({**whole, "colour": "red"}).encode(),
        "a plugin's score": json.dumps(whole).replace('"snip"', '"my_own"').encode(),
        "no number": json.dumps({**whole, "rate": "high"}).encode(),
    }
    for number, content in enumerate(wrong.values()):
        store.write(f"trials/{number:05d}-{IDENTITY[:16]}.json", content)
    store.write(f"trials/00000-{IDENTITY[:16]}.json.tmp", json.dumps(whole).encode())
    store.write("trials/notes.json", b"{}")
    assert Library(storage, "mine").find(IDENTITY) is None
    store.save(done(50))
    assert Library(storage, "mine").find(IDENTITY)[1].number == 50


def test_only_records_whose_name_fits_are_read(storage, monkeypatch):
    others = [done(number, identity=hashlib.sha256(bytes([number])).hexdigest()) for number in range(20)]
    study(storage, "earlier", done(30), *others)
    read = []
    original = StudyStore.read
    monkeypatch.setattr(StudyStore, "read", lambda self, name: read.append(name) or original(self, name))
    library = Library(storage, "mine")
    assert library.find("f" * 64) is None
    assert library.find(IDENTITY) is not None
    assert read == [f"trials/00030-{IDENTITY[:16]}.json"]


def test_new_results_of_others_are_found_when_the_list_is_old(storage, monkeypatch):
    library = Library(storage, "mine")
    assert library.find(IDENTITY) is None
    study(storage, "earlier", done())
    assert library.find(IDENTITY) is None
    monkeypatch.setattr(library_module, "REFRESH_S", 0.0)
    for _ in range(500):  # the list is made in the background
        if found := library.find(IDENTITY):
            break
        time.sleep(0.01)
    assert found[0] == "earlier"


def test_a_storage_that_does_not_exist_yet_has_no_results(tmp_path):
    assert Library(str(tmp_path / "nowhere"), "mine").find(IDENTITY) is None


def test_a_result_is_copied_completely_with_a_network_of_its_own(storage):
    earlier, mine = study(storage, "earlier"), study(storage, "mine")
    source = done(status="diverged", reason="loss", rate=Decimal("0.99"))
    with_network(earlier, source)
    trial = StudyTrial(
        number=12, config=CONFIG, identity=IDENTITY, configuration=4, seed_index=2, start_sequence=31
    )
    library = Library(storage, "mine")
    library.adopt(trial, library.find(IDENTITY), mine)
    name = f"00012-{IDENTITY[:16]}"
    assert (trial.status, trial.reason, trial.reused_from) == ("diverged", "loss", f"earlier/{NAME}")
    assert repr(trial.rows) == repr(source.rows)
    assert trial.stamps == [1111, 2222]
    digest = hashlib.sha256(NETWORK).hexdigest()
    file = f"artifacts/{name}.safetensors"
    assert trial.facts == {**source.facts, "artifact": {"file": file, "sha256": digest}}
    assert mine.read(file) == NETWORK
    assert (trial.number, trial.configuration, trial.seed_index, trial.start_sequence) == (12, 4, 2, 31)
    mine.save(trial)
    assert mine.trials()[0].reused_from == f"earlier/{NAME}"


def test_a_reused_result_is_a_copy(storage):
    source, trial = done(), StudyTrial(number=1, config=CONFIG, identity=IDENTITY)
    source.facts = made_facts(layer_densities={"a": 0.5})
    Library(storage, "mine").adopt(trial, ("mine", source), study(storage, "mine"))
    trial.rows[0]["validation_accuracy"] = 9.0
    trial.facts["layer_densities"]["a"] = 9.0
    trial.stamps.append(3)
    assert source.rows[0]["validation_accuracy"] == 0.4
    assert source.facts == made_facts(layer_densities={"a": 0.5})
    assert source.stamps == [1111, 2222]
    assert trial.reused_from == f"mine/{NAME}"


def test_a_result_that_was_reused_names_the_original_and_brings_its_network(storage):
    first, second, third = (study(storage, name) for name in ("first", "second", "third"))
    with_network(first, done())
    middle = StudyTrial(number=8, config=CONFIG, identity=IDENTITY)
    library = Library(storage, "second")
    library.adopt(middle, library.find(IDENTITY), second)
    last = StudyTrial(number=9, config=CONFIG, identity=IDENTITY)
    Library(storage, "third").adopt(last, ("second", middle), third)
    assert last.reused_from == f"first/{NAME}"
    assert third.read(last.facts["artifact"]["file"]) == NETWORK


def test_a_result_without_its_network_or_with_an_altered_one_is_reused(storage):
    earlier, mine = study(storage, "earlier"), study(storage, "mine")
    library = Library(storage, "mine")
    gone, altered = done(1), done(2)
    for trial in (gone, altered):
        with_network(earlier, trial, content=b"a network in a few kilobytez")
    earlier.delete(gone.facts["artifact"]["file"])
    for source, said in ((gone, "FileNotFoundError"), (altered, "altered")):
        trial = StudyTrial(number=20 + source.number, config=CONFIG, identity=IDENTITY)
        library.adopt(trial, ("earlier", source), mine)
        assert trial.status == "finished"
        assert "artifact" not in trial.facts
        assert said in trial.facts["artifact_missing"]
    assert mine.files("artifacts") == []


def test_with_a_full_disk_the_network_is_missing_and_not_the_result(storage, monkeypatch):
    earlier, mine = study(storage, "earlier"), study(storage, "mine")
    with_network(earlier, done())
    library, trial = Library(storage, "mine"), StudyTrial(number=1, config=CONFIG, identity=IDENTITY)

    def full(name, content):
        raise OSError("the disk is full")

    monkeypatch.setattr(mine, "write", full)
    library.adopt(trial, library.find(IDENTITY), mine)
    assert trial.accuracy == 0.7
    assert trial.facts == made_facts(artifact_missing="OSError: the disk is full")
