"""The session on a GPU: all of it that can run on a CPU, the deadline, and what is written."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from cops_core.config import Regrow, Selection, Training, TrialConfig
from cops_core.errors import InputError
from cops_core.masked.view import plain_parameters
from cops_core.trial import Trial

FOLDER = Path(__file__).parent
ON_CPU = ["arms", "cops", "steps"]


@pytest.fixture
def rows_of(benchmark, tmp_path):
    """Runs a part in this process, on the CPU."""

    def run(part, seconds=60.0):
        rows = benchmark("gpu_session.rows")
        path = tmp_path / "rows.jsonl"
        parts, setting = benchmark("gpu_session.parts"), benchmark("gpu_session.setting")
        parts.PARTS[part].run(setting.Setting("cpu"), rows.Rows(part, path, seconds))
        return rows.read_rows(path)

    return run


@pytest.mark.parametrize("part", ON_CPU)
def test_a_part_runs_on_the_cpu(rows_of, part):
    found = rows_of(part)
    assert {row.status for row in found} <= {"ok", "not here"}, [row for row in found if row.status != "ok"]
    assert sum(row.status == "ok" and row.value is not None for row in found) >= 2
    assert all(row.measured == "needs CUDA" for row in found if row.status == "not here")


def test_without_time_each_row_says_so(rows_of):
    found = rows_of("cops", 0.0)
    assert {row.status for row in found} == {"cut"}
    assert all("no time" in row.measured for row in found)


def test_a_failed_figure_is_a_row_and_the_next_one_is_measured(benchmark, tmp_path):
    rows = benchmark("gpu_session.rows")
    ours = rows.Rows("part", tmp_path / "rows.jsonl", 60.0)

    def fails():
        raise torch.OutOfMemoryError("tried to\nallocate")

    ours.measure("one", fails)
    ours.measure("two", lambda: ("3 ms", 0.003))
    ours.path.write_text(ours.path.read_text() + '{"part": "cut off')
    first, second = rows.read_rows(ours.path)
    assert (first.status, first.measured) == ("failed", "OutOfMemoryError: tried to allocate")
    assert (second.status, second.value) == ("ok", 0.003)


FAKE = """
import json, subprocess, sys, time
from pathlib import Path
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
row = {"part": words["--part"], "what": "one", "measured": "1 s", "value": 1.0, "status": "ok"}
with Path(words["--rows"]).open("a") as file:
    file.write(json.dumps(row) + chr(10))
if words["--part"] == "fails":
    raise SystemExit("a driver is missing")
if words["--part"] == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    time.sleep(600)
"""


def runs(pid):
    """Whether a process runs; one that has ended may stay in the table of processes."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_deadline_is_kept_and_what_is_cut_or_fails_is_a_row(benchmark, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    session, setting = benchmark("gpu_session.session"), benchmark("gpu_session.setting")
    report = benchmark("gpu_session.report")
    Path("fake.py").write_text(FAKE)
    monkeypatch.setattr(session, "COMMAND", tmp_path / "fake.py")
    monkeypatch.setattr(session, "SHORTEST_S", 0.5)
    written = []

    def write(reports):
        report.write_report(tmp_path, {"minutes": 1}, reports)
        written.append([part["name"] for part in json.loads(Path("gpu-session.json").read_text())["parts"]])

    weights = {"quick": 5, "hangs": 5, "fails": 4, "last": 0.1}
    began = time.monotonic()
    found = session.run_session(weights, setting.Setting("cpu"), 8.0, tmp_path, write)
    assert time.monotonic() - began < 12
    assert written == [["quick"], ["quick", "hangs"], ["quick", "hangs", "fails"], list(weights)]
    statuses = [[row.status for row in part.rows] for part in found]
    assert statuses[:3] == [["ok"], ["ok", "cut"], ["ok", "failed"]]
    assert "a driver is missing" in found[2].rows[1].measured
    assert not runs(int(Path("child").read_text()))  # nor does what it has started
    table = Path("gpu-session.md").read_text()
    assert table.startswith("minutes 1\n\n| part | what | measured |  |\n")
    assert all(f"| {name} | its time |" in table for name in weights)


def test_a_part_without_time_is_not_begun(benchmark, tmp_path):
    session, setting = benchmark("gpu_session.session"), benchmark("gpu_session.setting")
    found = session.run_part("cops", setting.Setting("cpu"), -1.0, tmp_path / "rows.jsonl")
    assert [row.status for row in found.rows] == ["cut"]


def test_what_a_part_does_not_use_is_left_to_the_others(benchmark):
    session = benchmark("gpu_session.session")
    assert session.shares([1, 2, 1], 8.0) == 2.0
    assert session.shares([2, 1], 7.5) == 5.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_what_is_missing(benchmark, refused, capsys):
    assert refused(benchmark("gpu")) == "2"
    said = capsys.readouterr().err
    assert said.startswith("error: no GPU: torch ")
    assert said.count("\n") == 1
    assert "--device cpu" in said


def test_an_unknown_part_is_refused(benchmark, refused):
    assert "unknown part 'step': did you mean 'steps'" in refused(
        benchmark("gpu"), "--device", "cpu", "--only", "step"
    )


@pytest.mark.slow
def test_the_whole_command_on_the_cpu(tmp_path):
    command = [sys.executable, str(FOLDER / "gpu.py"), "--device", "cpu", "--minutes", "20"]
    done = subprocess.run([*command, "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "gpu-session.json").read_text())
    assert [part["name"] for part in found["parts"]] == [
        *("smoke", "arms", "steps", "auto", "quickstart", "packed", "cops")
    ]
    rows = [row for part in found["parts"] for row in part["rows"]]
    assert {row["status"] for row in rows} == {"ok", "not here"}
    table = (tmp_path / "out" / "gpu-session.md").read_text()
    assert all(row["what"] in table for row in rows)
    assert (found["device"], found["minutes"]) == ("cpu", 20.0)


# Networks in one process.


def trials(model, fraction="0.1", **fields):
    """Three trials that differ in arm, seed, learning rate and weight decay."""
    chosen = [("freeze", 3, 0.05, 5e-4), ("prune", 4, 0.1, 0.0), ("dense", 2**32 - 1, 0.02, 1e-3)]
    selection = Selection(target="snip", samples_per_class=2)
    return [
        TrialConfig(
            model=model,
            arm=arm,
            seed=seed,
            validation_fraction=fraction,
            selection=None if arm == "dense" else selection,
            density=None if arm == "dense" else "0.2",
            training=Training(
                **{"epochs": 2, "batch_size": 32, "precision": "float64"} | fields,
                learning_rate=rate,
                weight_decay=decay,
            ),
        )
        for arm, seed, rate, decay in chosen
    ]


@pytest.mark.parametrize(
    ("model", "shape", "fields"),
    [
        ("lenet_300_100", (1, 8, 8), {}),
        ("lenet_300_100", (3, 6, 6), {"precision": "float32", "schedule": "constant"}),
        ("lenet_5_caffe", (1, 16, 16), {"momentum": 0.0}),
    ],
)
def test_networks_in_one_process_are_those_of_single_trials(benchmark, model, shape, fields):
    """The last batch is a smaller one, the last epoch's schedule included."""
    data = benchmark("gpu_session.setting").made_data(shape, 200)
    module = benchmark("gpu_session.together")
    configs = trials(model, **fields)
    together = module.Together(configs, data)
    epochs = [together.run_epoch(), together.run_epoch()]
    tolerance = 1e-9 if configs[0].training.precision == "float64" else 1e-4
    for number, config in enumerate(configs):
        trial = Trial(config, data=data)
        for epoch in epochs:
            row = trial.step()
            assert float(epoch.train_loss[number]) == pytest.approx(row.train_loss, rel=tolerance)
            assert float(epoch.validation_loss[number]) == pytest.approx(row.validation_loss, rel=tolerance)
            assert float(epoch.validation_accuracy[number]) == pytest.approx(row.validation_accuracy)
        ours = module.plain(together, number).state_dict()
        for name, value in plain_parameters(trial.trainer.network.model).items():
            torch.testing.assert_close(ours[name], value.detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.changed(model="vgg16"), "the same model"),
        (lambda c: c.changed(arm="freeze_wd"), "no arm freeze_wd"),
        (lambda c: c.changed(arm="prune", selection=Selection(target="snip", regrow=Regrow())), "no regrow"),
        (lambda c: c.changed(selection=Selection(target="snip", at="trained")), "no at"),
        (
            lambda c: c.changed(training=c.training.model_copy(update={"batch_size": 50})),
            "the same batch_size",
        ),
        (lambda c: c.changed(training=c.training.model_copy(update={"nesterov": True})), "no nesterov"),
    ],
)
def test_networks_that_the_prototype_cannot_train_are_refused(benchmark, change, words):
    first, *others = trials("lenet_300_100")
    with pytest.raises(InputError, match=words):
        benchmark("gpu_session.together").check([*others, first, change(first)])
