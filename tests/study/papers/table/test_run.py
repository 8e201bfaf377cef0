"""`cops table`, from its first trial to its files; wrong input; what is only shown."""

import io

import pandas as pd
import pytest
from rich.console import Console

from cops_core.config import Training
from search_spaces.presets import PRESETS
from search_spaces.question import Rates
from study.papers.table.files import markdown
from study.papers.table.recorded import plan_table, recorded_table, study_name
from study.papers.table.run import run_table
from study.records.store import StudyStore

from ...made_record import made_record
from .conftest import HIGH, LOW


def shown():
    return Console(file=io.StringIO(), width=80)


@pytest.fixture
def small(preset):
    """Ten short trials."""
    training = Training(epochs=2, schedule="step", step_every=10)
    return type(preset)(**{**vars(preset), "seeds": 2, "training": training})


def studied(small, settings):
    chosen = settings(name=study_name(small, small), question=Rates(small.rates), trials=1)
    return chosen, StudyStore(chosen.storage_uri, chosen.name)


def records(store):
    return {trial.name: trial.record() for trial in store.trials()}


@pytest.mark.slow
def test_a_table_runs_once_and_is_shown(small, settings):
    chosen, store = studied(small, settings)
    assert recorded_table(small, small, chosen, shown()).missing == small.trials
    assert not store.exists

    output = shown()
    table = run_table(small, small, chosen, output)
    assert table.missing == 0
    assert len(store.trials()) == small.trials
    accuracies = {trial.config: trial.facts["test_accuracy"] for trial in store.trials()}
    cell = table.cells[HIGH, "FreezeNet"]
    assert list(cell.accuracies.values()) == [accuracies[c] for c in small.cell("FreezeNet", HIGH)]
    assert f"{100 * cell.interval.mean:.2f} ± " in output.file.getvalue()
    assert "table.md, table.tex, table.parquet in " in output.file.getvalue()
    (factor,) = [
        found
        for found in table.comparisons(table.cells[LOW, "FreezeNet"])
        if found.published.unit == "factor"
    ]
    counted = 50_610 / store.trials()[-1].facts["trained_parameters"]
    assert (factor.ours.mean, factor.verdict) == (pytest.approx(counted), "below")

    before, launches = records(store), len(store.record()["launches"])
    assert markdown(run_table(small, small, chosen, shown())) == markdown(table)
    assert len(store.record()["launches"]) == launches, "nothing was started"
    assert records(store) == before
    assert store.read("table.md").decode() == markdown(table)
    frame = pd.read_parquet(io.BytesIO(store.read("table.parquet")))
    rows = frame[(frame.method == "FreezeNet") & (frame.rate == "0.9")]
    assert rows.accuracy.tolist() == [pytest.approx(cell.interval.mean)]
    assert store.read("table.tex").decode().count("\\toprule") == 1

    store.delete(f"trials/{store.trials()[-1].name}.json")
    less = recorded_table(small, small, chosen, shown())
    assert less.missing == 1
    assert less.cells[LOW, "FreezeNet"].notes == ["1 of 2 seeds"]
    assert "1 of 2 seeds" in store.read("table.md").decode()


@pytest.mark.slow
def test_a_table_runs_only_what_is_missing(small, settings):
    """One seed and one rate first, then all: recorded trials stay unchanged."""
    chosen, store = studied(small, settings)
    part = small.changed(seeds=1, rates=[LOW])
    assert run_table(small, part, chosen, shown()).missing == 0
    before = records(store)
    assert len(before) == 3
    assert run_table(small, small, chosen, shown()).missing == 0
    after = records(store)
    assert len(after) == small.trials
    assert {name: after[name] for name in before} == before


def test_a_dry_run_counts_what_is_left_and_writes_nothing(preset, settings, trials):
    chosen = settings(name=study_name(preset, preset))
    output = shown()
    plan_table(preset, preset, chosen, output)
    first, second, third = output.file.getvalue().splitlines()
    assert first.startswith("table-freezenet_lenet_300_100_digits: 15 of 15 trials")
    assert "3 seeds" in second
    assert "2 methods at 2 rates" in second
    assert third.startswith("lenet_300_100 on digits")
    assert "available" in third
    store = StudyStore(chosen.storage_uri, chosen.name)
    assert not chosen.home.exists()
    store.write_record(made_record())
    for trial in trials(preset.dense(), lambda config: 0.9):
        store.save(trial)
    output = shown()
    plan_table(preset, preset, chosen, output)
    assert "12 of 15 trials to run" in output.file.getvalue()


def test_other_epochs_have_a_study_of_their_own(preset):
    assert study_name(preset, preset) == "table-freezenet_lenet_300_100_digits"
    assert study_name(preset, preset.changed(seeds=1, rates=[LOW])) == study_name(preset, preset)
    assert study_name(preset, preset.changed(epochs=2)) == f"{study_name(preset, preset)}-2-epochs"


FASHION = "freezenet_lenet_300_100_fashion_mnist"


def test_the_command_lists_every_preset(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run("table", "--data-root", tmp_path)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()[1:] if line[0] != " "}
    assert set(lines) == set(PRESETS)
    for name, line in lines.items():
        assert f" {PRESETS[name].trials} " in line
        if PRESETS[name].dataset != "fashion_mnist":
            assert " missing " in line
    assert max(map(len, out.splitlines())) <= 80


def test_the_command_shows_what_is_recorded(run, tmp_path, trials):
    """One trial of each column is recorded: it is in the table, and the others are counted as missing."""
    preset = PRESETS[FASHION]
    store = StudyStore(str(tmp_path / "cops-home" / "studies"), study_name(preset, preset.changed(epochs=5)))
    store.write_record(made_record())
    asked = preset.changed(epochs=5, seeds=2)
    for trial in trials(asked.configs()[:10], lambda config: 0.875):
        store.save(trial)
    code, out, err = run("table", FASHION, "--recorded", "--epochs", "5", "--seeds", "2")
    assert (code, err) == (0, "")
    assert "Not as in the preset: 5 of 250 epochs, 2 seeds for 5." in out
    assert "Not run: 40 of 50 trials." in " ".join(out.split())
    assert out.count("87.50 ± 0.00 (2)") == 5
    assert out.count("not run") == 20
    assert f"{store.path}" in out
    assert sorted(store.files()) == ["study.json", "table.md", "table.parquet", "table.tex"]


def test_the_command_plans(run, tmp_path):
    code, out, err = run("table", FASHION, "--dry-run", "--rates", "0.9,0.995")
    assert (code, err) == (0, "")
    assert f"table-{FASHION}: 45 of 45 trials to run, 250 epochs each" in out
    assert not (tmp_path / "cops-home").exists()
    _, out, _ = run("table", "cops_vgg16_cifar10", "--dry-run", "--data-root", tmp_path)
    assert "vgg16 on cifar10" in out
    assert f"downloads into {tmp_path}" in " ".join(out.split())


WRONG = [
    (["freezenet_lenet_5_mnist"], "unknown preset 'freezenet_lenet_5_mnist': did you mean 'freezenet_len"),
    ([FASHION, "--rates", "0.97"], "--rates 0.97 is not a row of freezenet_lenet_300_100_fashion_mnist"),
    ([FASHION, "--rates", "many"], "--rates 'many' is not a number"),
    ([FASHION, "--seeds", "0"], "--seeds"),
    ([FASHION, "--epochs", "0"], "--epochs"),
    ([FASHION, "--recorded", "--dry-run"], "write one of them"),
    ([FASHION, "--device", "gpu"], "unknown device 'gpu': did you mean 'auto'?"),
    ([FASHION, "--gpus-per-trial", "1.5"], "gpus_per_trial: 1.5 is neither"),
    ([FASHION, "--concurrency", "0"], "concurrency: Input should be greater"),
    ([FASHION, "--home", "/proc/nosuch"], "cannot be written"),
    ([FASHION, "--storage", "nosuch://x"], "cannot be opened"),
    ([FASHION, "--dataset", "mnist"], "unknown option '--dataset'"),
]


@pytest.mark.parametrize(("words", "complaint"), WRONG, ids=lambda value: " ".join(value)[-40:])
def test_wrong_input_is_one_line(run, words, complaint, tmp_path):
    code, out, err = run("table", *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert not list(tmp_path.glob("cops-home/studies/*"))


def test_data_that_cannot_be_had_are_one_line(run, tmp_path, monkeypatch):
    """Without a network: refused before anything is started, with advice."""

    def no_network(*words, **more):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    code, out, err = run("table", "freezenet_lenet_5_caffe_mnist", "--data-root", tmp_path / "data")
    assert (code, out) == (2, "")
    assert err.startswith("error: MNIST is not in ")
    assert "put its files into " in err
    assert not (tmp_path / "cops-home" / "studies").exists()
