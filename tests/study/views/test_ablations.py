"""A recorded study of a trial's ablations: status, report, its files and its run's description."""

import io
import json

import pandas as pd
import pytest

from study.records.store import StudyStore
from study.views.report.content import make_report
from study.views.report.files import closing_files, description, report_files
from study.views.report.page import page

from ..made_ablations import QUESTION, ablation_trials
from ..made_record import made_record
from .report.test_page import Page, record

CODE = {"git_commit": "c" * 40, "versions": {"python": "3.11", "torch": "2"}}
SIZES = {"kind": "ablate", "space": "mine/12", "seeds": 4, "trials": 5, "racing": False}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def write(settings, made, home):
    """Writes trials as a study of the question `ablate`."""

    def written(trials=None):
        asked = settings(question=QUESTION, name="ablate-mine-12", home=home)
        store = StudyStore(asked.storage_uri, asked.name)
        launch = {"at": "2026-01-02T03:04:05+00:00", **CODE}
        store.write_record(made_record({**asked.record(), **SIZES}, launches=[launch], **CODE))
        for trial in ablation_trials(made) if trials is None else trials:
            store.save(trial)
        return store

    return written


def test_status_has_the_ablations_as_json(write, run, home):
    write()
    code, out, err = run("status", "ablate-mine-12", "--home", home, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["state"], found["ended"], found["trials"], found["seeds"]) == ("complete", 5, 5, 4)
    ablations = found["ablations"]
    assert (ablations["trial"], ablations["evaluation"], ablations["baseline"]) == (
        "mine/12",
        "test",
        "unchanged",
    )
    assert [row["method"] for row in ablations["rows"]] == [
        *("unchanged", "shuffle", "random", "invert", "reinitialize")
    ]
    shuffle = ablations["rows"][1]
    assert shuffle["tests"] == {"0": 0.80, "1": 0.812, "2": 0.819, "3": 0.807}
    assert shuffle["difference"]["mean"] == pytest.approx(-0.09925)
    assert shuffle["p_value"] < 0.001 < shuffle["least"]
    assert [each["finding"] for each in ablations["conclusions"]] == [
        *("carries", "does not suffice", "not found", "carries")
    ]
    assert all(each["p_value"] is None for each in found["best"])  # validation is not what is compared


def test_status_prints_them_in_eighty_columns(write, run, home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    write()
    code, out, _ = run("status", "ablate-mine-12", "--home", home)
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(out.split())
    for part in (
        "trial mine/12 and its ablations on test, 4 fresh seeds",
        "The result of the mask: carried by its places and initial values",
        "- Places: a part of the result is lost",
        "adjusted by Holm for 4 comparisons",
        "no search has used these seeds or these images",
    ):
        assert part in words, part
    assert "best of each method" not in words


def test_an_unfinished_study_shows_no_conclusion(write, made, run, home):
    write([trial for trial in ablation_trials(made) if trial.number < 12])
    code, out, _ = run("status", "ablate-mine-12", "--home", home, "--json")
    found = json.loads(out)
    assert (code, found["state"]) == (0, "unfinished")
    assert (found["ablations"]["complete"], found["ablations"]["conclusions"]) == (False, [])
    assert "nothing is concluded yet" in found["ablations"]["headline"]


@pytest.fixture
def report(made):
    trials = ablation_trials(made)
    runs = {trial.name: f"{trial.number:032x}" for trial in trials}
    return make_report("made", record(QUESTION.record(), **SIZES), trials, runs=runs)


def test_the_page_begins_with_the_ablations(report):
    found = Page(page(report).decode())
    text = " ".join(found.text.replace("\u00a0", " ").split())
    for part in (
        "What carries the trial's result?",
        "Ablations",
        "Places: a part of the result is lost",
        "81.06%",
        "none: trial mine/12 and its ablations",
        "cops ablate mine/12 --seeds 4 --name made",
        "Nothing is chosen by them",
        f"{1:032x}",
    ):
        assert part in text, part
    for absent in ("cops close", "Which method is better?", "What validation chose"):
        assert absent not in text
    assert report.headline.startswith("The result of the mask: carried by its places")


def test_its_files_have_the_rows(report):
    files = report_files(report)
    frame = pd.read_parquet(io.BytesIO(files["tables/ablations.parquet"]))
    assert list(frame.method) == ["unchanged", "shuffle", "random", "invert", "reinitialize"]
    assert frame.baseline.unique() == ["unchanged"]
    assert b"ablations" in files["tables/ablations.tex"]
    assert {"figures/ablations.png", "figures/ablations.svg"} <= set(files)
    assert "tables/best.parquet" not in files
    assert set(closing_files(report)) == {"report/report.html", "ablations.png", "ablations.svg"}


def test_the_description_of_its_run_has_the_conclusions(report):
    text = description(report)
    assert "![What carries the trial's result?](artifact:ablations.svg)" in text
    assert "- Initial values: a part of the result is lost" in text
    assert "| 0.99 | shuffle |" in text
