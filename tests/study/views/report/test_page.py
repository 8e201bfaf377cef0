"""The page: complete, self-contained, correct for every kind of study; and where it is written."""

from decimal import Decimal
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image

from search_spaces.question import Rates, parse_question
from study.records.store import StudyStore
from study.settings import make_settings
from study.views.figures import FIGURES
from study.views.report.content import make_report
from study.views.report.files import PAGE, closing_files, report_files
from study.views.report.page import page
from study.views.report.write import write_files

from ...kinds import kinds_of_studies
from ...made_record import made_record

QUESTIONS = (
    {"kind": "rates", "rates": ["0.9", "0.99"]},
    {"kind": "pareto", "cost": "density", "rates": ["0.99"]},
    {"kind": "smallest", "keep": "0.9", "rates": ["0.99"]},
)


def record(question=QUESTIONS[0], **changes):
    """A study's record."""
    settings = make_settings(space="quickstart", name="made", trials=24, question=parse_question(question))
    code = {"git_commit": "c" * 40, "versions": {"python": "3.11", "torch": "2"}}
    launch = {"at": "2026-01-02T03:04:05+00:00", **code}
    return made_record({**settings.record(), "seeds": 3, **changes}, launches=[launch], **code)


class Page(HTMLParser):
    """What a page consists of: tags with their attributes, and its text. Tags must close in order."""

    EMPTY = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report_of(made):
    """Makes the report of a kind of study once, which takes a second: figures are drawn."""
    studies = kinds_of_studies(made)
    return cache(lambda kind, question=0: make_report("made", record(QUESTIONS[question]), studies[kind]))


ASKED = ("rates", "pareto", "smallest")
KINDS = ("nothing", "only failures", "one seed", "a searched rate", "all collapsed", "two networks")


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        # By default each kind of study is tested with one question, and each question with two kinds.
        pytest.param(kind, question, id=f"{kind}-{name}", marks=[pytest.mark.slow] * (place % 3 != question))
        for place, kind in enumerate(KINDS)
        for question, name in enumerate(ASKED)
    ],
)
def test_a_page_of_any_study_is_complete_and_self_contained(report_of, kind, question):
    found = Page(page(report_of(kind, question)).decode())
    ids = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    assert {attributes["href"] for attributes in found.of("a")} <= {f"#{name}" for name in ids}
    assert all(
        image["src"].startswith("data:image/svg+xml;base64,") and image["alt"] for image in found.of("img")
    )
    assert found.of("script") == []
    assert {link["href"] for link in found.of("link")} == {"data:,"}
    for name in FIGURES:
        assert name in ids


def test_a_page_says_what_was_found_and_how_to_run_it_again(report_of):
    text = " ".join(Page(page(report_of("rates and seeds")).decode()).text.split())
    for part in (
        "At a freezing rate of 0.99, freeze cops(snip; synflow 0.5) reaches a validation accuracy of",
        "Means over up to 3 seeds",
        "cops launch quickstart --name made --trials 24 --seeds 3 --rates 0.9,0.99",
        "study 0; trials 100, 101, 102",
        "c" * 40,
        f"digits {'d' * 64}",
        "threads 1, device cpu, cpu a",
        "lost its race in epoch 2 of 10",
    ):
        assert part in text, part


def test_names_cannot_break_out_of_the_page(made):
    (trial,) = made(1, (None,), status="failed")
    trial.reason = "<script>alert(1)</script>"
    found = Page(page(make_report("a<b>&", record(), [trial])).decode())
    assert found.of("script") == []
    assert "<script>alert(1)</script>" in found.text


def test_without_the_space_only_the_parameters_are_missing(studies):
    missing = record(space="/nowhere/mine.py")
    text = Page(page(make_report("made", missing, studies["no dense network"])).decode()).text
    assert "The search cannot be rebuilt: " in text
    assert "mine.py" in text


def test_test_results_are_shown_after_an_evaluation(studies):
    trials = studies["rates and seeds"]
    results = [
        {"configuration": 4, "test_accuracy": accuracy, "trial": "x", "seed_index": seed}
        for seed, accuracy in enumerate((0.7, 0.72, 0.74))
    ]
    report = make_report("made", record(), trials, [{"evaluation": 1, "results": results}])
    ((chosen, test),) = report.test_results
    assert (chosen.result.number, chosen.budget) == (4, 2)
    assert test.startswith("72.00")
    assert "evaluated on test" in Page(page(report).decode()).text


def test_a_report_is_files_that_open(report_of, tmp_path):
    files = report_files(report_of("rates and seeds"))
    for path, content in files.items():
        whole = tmp_path / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content)
    for name in FIGURES:
        with Image.open(tmp_path / f"figures/{name}.png") as image:
            image.verify()
        assert (tmp_path / f"figures/{name}.svg").read_text().startswith("<?xml")
    for table in ("best", "ends", "layers", "trials", "epochs"):
        assert len(pd.read_parquet(tmp_path / f"tables/{table}.parquet"))
    assert (tmp_path / "tables/family.parquet").is_file()
    assert (tmp_path / PAGE).is_file()


def test_at_the_end_of_a_study_the_page_and_its_key_figure_are_shown(report_of):
    files = closing_files(report_of("rates and seeds"))
    assert set(files) == {"report/report.html", "accuracy_by_rate.png", "accuracy_by_rate.svg"}
    root = ElementTree.fromstring(files["accuracy_by_rate.svg"])
    assert "viewBox" in root.attrib
    assert not {"width", "height"} & set(root.attrib)


@pytest.fixture
def study(settings, tmp_path, studies):
    """A recorded study that no Ray has run, in a home without an MLflow database."""
    asked = settings(trials=6, home=tmp_path / "home")
    store = StudyStore(asked.storage_uri, asked.name)
    store.write_record({**record(), "settings": asked.record()})
    for trial in studies["one seed"]:
        store.save(trial)


def test_the_command_writes_a_report_and_says_where(run, study, tmp_path):
    code, out, err = run("report", "test", "--home", tmp_path / "home")
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "At a freezing rate of 0.99" in said
    assert "MLflow was not updated (" in said
    assert not (tmp_path / "home/mlflow.db").exists()
    written = tmp_path / "home/reports/test/report.html"
    assert written.is_file()
    assert str(written) in out


def test_files_of_an_earlier_report_are_removed(tmp_path):
    write_files(tmp_path, {PAGE: b"old", "figures/of_an_earlier_one.png": b""})
    write_files(tmp_path, {PAGE: b"new"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / PAGE]
    assert (tmp_path / PAGE).read_bytes() == b"new"


def test_a_report_never_overwrites_something_else(run, study, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for out in ("full", "file"):
        code, _, err = run("report", "test", "--home", tmp_path / "home", "--out", tmp_path / out)
        assert code == 2
        assert err.startswith("error: --out ")
        assert err.count("\n") == 1
    assert (tmp_path / "full/mine.txt").read_text() == "mine"


def test_an_unknown_study_is_suggested_the_nearest(run, study, tmp_path):
    code, _, err = run("report", "tset", "--home", tmp_path / "home")
    assert code == 2
    assert "did you mean 'test'?" in err


@pytest.mark.slow
def test_the_command_says_which_region_of_the_family_wins(run, recorded, settings, tmp_path):
    """The space gss with invented accuracies: targets of synflow win."""

    def accuracy(trial):
        target = trial.config.selection.target if trial.config.selection else None
        return 0.8 + trial.number / 1e4 if getattr(target, "functional", None) == "synflow" else 0.3

    asked = {"space": "gss", "trials": 60, "question": Rates((Decimal("0.99"),)), "stopping": "none"}
    trials = recorded(accuracy, name="records", **asked).trials()
    other = settings(**asked)
    store = StudyStore(other.storage_uri, other.name)
    store.write_record({**record(), "settings": other.record()})
    for trial in trials:
        store.save(trial)
    code, out, _ = run("report", "test", "--home", tmp_path / "home")
    assert code == 0
    said = " ".join(out.split())
    assert "freezing rate 0.99: the best 6 of 59 configurations of the family (1 seed each) reach " in said
    assert "Functional synflow (6 of " in said
    assert "More than chance: functional" in said
