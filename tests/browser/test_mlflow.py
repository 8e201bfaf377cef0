"""What a new user sees of a study in MLflow's UI, in a real browser, from a server that `cops ui` started."""

import re

import pytest
from mlflow import MlflowClient
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

# The UI asks who is logged in, of a server that knows no users. It is the only request that fails.
ITS_OWN = ("/ajax-api/2.0/mlflow/users/current",)
# The first columns of the saved views, from left to right; the page has them in another order.
COLUMNS = ["Run Name", "Created", "Duration", "validation_accuracy", "density", "trained_parameters"]
HEADINGS = """columns => {
    const cells = [...document.querySelectorAll('.ag-header-cell')].filter(cell => cell.innerText.trim());
    cells.sort((one, other) => one.getBoundingClientRect().x - other.getBoundingClientRect().x);
    return cells.map(cell => cell.innerText.trim()).slice(0, columns.length).join() == columns.join();
}"""
HEADLINE = re.compile(r"At a freezing rate of 0.995, .* reaches a validation accuracy of .*\sseed")


@pytest.fixture(scope="module")
def parent(quickstart):
    """The study's run after its launch."""
    return parent_of(quickstart)


@pytest.fixture
def open_ui(open_page, mlflow_ui, parent, tmp_path):
    """Opens the UI as a new user, with one of the saved views."""
    pages = []

    def go(view="cops-studies"):
        watched = open_page()
        pages.append(watched)
        watched.page.set_default_timeout(60_000)
        watched.page.goto(mlflow_ui.browse.replace("cops-studies", view))
        watched.page.get_by_label("Close").first.click()  # its assistant opens at the first visit
        watched.page.locator(".ag-row").first.wait_for()
        return watched.page

    yield go
    for watched in pages:
        watched.page.screenshot(path=tmp_path / "last.png")
        watched.assert_clean(but=ITS_OWN)


def parent_of(study):
    return next(run for run in runs_of(study) if "trial" not in run.data.tags)


def runs_of(study):
    client = MlflowClient(f"sqlite:///{study.home / 'mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name("cops-study").experiment_id])


def names_of(rows):
    """The texts of table cells; before a run's name its colour is one, for screen readers."""
    return [name for name in (row.inner_text().strip().split("\n")[-1] for row in rows.all()) if name]


def drawn(image):
    """The width of a picture that has arrived, in its own pixels."""
    image.wait_for()
    return image.evaluate("async image => { await image.decode(); return image.naturalWidth }")


def test_the_table_opens_on_studies_with_their_trials(open_ui, quickstart, tmp_path):
    page = open_ui()
    cells = page.locator(".ag-row [col-id*='Run Name']")
    assert names_of(cells) == [quickstart.name]
    page.wait_for_function(HEADINGS, arg=COLUMNS)
    page.locator(".ag-row button").first.click()
    page.get_by_role("link", name="dense s=0").wait_for()
    shown = set(names_of(cells))
    page.screenshot(path=tmp_path / "table.png")
    trials = {run.info.run_name for run in runs_of(quickstart) if "trial" in run.data.tags}
    assert shown <= trials | {quickstart.name}
    assert {"dense s=0", "dense s=1", "freeze snip q=0.99 s=0", "prune snip q=0.995 s=1"} <= trials
    page.get_by_text("Studies, with their trials").click()
    for view in ("Finished trials, best first", "Configurations, mean over seeds"):
        assert page.get_by_text(view).is_visible()


def test_a_saved_view_has_the_best_trial_first(open_ui, quickstart, tmp_path):
    page = open_ui("cops-best")
    first = page.locator(".ag-row[row-index='0'] [col-id*='Run Name']")
    first.get_by_role("link").wait_for()
    page.screenshot(path=tmp_path / "best.png")
    finished = [run for run in runs_of(quickstart) if run.data.tags.get("trial")]
    finished = [run for run in finished if run.data.tags["status"] == "finished"]
    best = max(finished, key=lambda run: run.data.metrics["validation_accuracy"])
    assert names_of(first) == [best.info.run_name]


def test_a_saved_view_has_means_over_seeds(open_ui, tmp_path):
    page = open_ui("cops-configurations")
    page.get_by_text(re.compile("Group: title: ")).first.wait_for()
    page.get_by_text(re.compile("661.*average")).first.wait_for()
    page.screenshot(path=tmp_path / "configurations.png")


def test_a_studys_page_has_its_answer_and_its_figure(open_ui, mlflow_ui, parent, tmp_path):
    page = open_ui()
    page.goto(f"{mlflow_ui.root}/#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}")
    page.get_by_text(HEADLINE).wait_for()
    page.get_by_text("Show more").first.click()
    figure = page.locator("img[src*='accuracy_by_rate.svg']")
    assert drawn(figure) > 0
    assert figure.bounding_box()["width"] > 300
    neighbour = page.get_by_text(parent.info.run_id).bounding_box()
    assert neighbour["x"] + neighbour["width"] < page.viewport_size["width"]
    page.screenshot(path=tmp_path / "study.png")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="The complete report", exact=True).click()
    report = opened.value
    frame = report.frame_locator("iframe")
    frame.get_by_role("heading", name="How much can be frozen or pruned?").wait_for(timeout=60_000)
    assert drawn(frame.locator("#accuracy_by_rate img")) > 300
    report.get_by_text("accuracy_by_rate.png").click()
    assert drawn(report.locator("img[src^='blob:']").first) > 300
    report.screenshot(path=tmp_path / "figure.png")
    report.close()


def test_a_trials_page_has_its_description_and_its_curves(open_ui, mlflow_ui, quickstart, tmp_path):
    page = open_ui()
    trial = next(run for run in runs_of(quickstart) if run.info.run_name == "freeze snip q=0.99 s=0")
    place = f"{mlflow_ui.root}/#/experiments/{trial.info.experiment_id}/runs/{trial.info.run_id}"
    page.goto(place)
    page.get_by_text("finished after 3 epochs, validation accuracy").wait_for()
    assert page.get_by_text("all others stay at their initial values").is_visible()
    page.get_by_role("link", name="validation_accuracy", exact=True).wait_for()
    page.screenshot(path=tmp_path / "trial.png")

    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("load.py").click()
    page.get_by_text("load_artifact(Path(").wait_for()
    page.screenshot(path=tmp_path / "load.png")

    page.get_by_role("tab", name="Model metrics").click()
    page.get_by_placeholder("Search metric charts").fill("^validation_accuracy")
    plot = page.locator(".js-plotly-plot")
    expect(plot).to_have_count(1)
    expect(plot.locator(".point")).to_have_count(3)  # an epoch each
    page.screenshot(path=tmp_path / "metric.png")
    line = plot.locator("path.js-line").first.bounding_box()
    assert line["width"] > 50
    assert line["height"] > 20
