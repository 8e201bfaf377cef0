"""docs/extending.md as a user follows it: its plugin is checked and launched, inside the project too."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cops_core.config import Selection, Training, TrialConfig
from search_spaces.plugins import REGISTRIES
from study.provenance import code_sha256
from study.records.store import StudyStore
from study.run.ray.fitness.before_trial import UNFIT
from study.run.ray.worker import TrialWorker

from .made_record import made_record

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
PIECES = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "# my_plugin.py" in block]
PLUGIN = "\n".join(PIECES)
SHA = hashlib.sha256(PLUGIN.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path):
    """A working directory with the page's plugin in it."""
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    return tmp_path


def cops(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Runs the console script, which has no working directory on its path."""
    script = Path(sys.executable).with_name("cops")
    return subprocess.run(
        [str(script), *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def run(run):
    """The same as everywhere; afterwards nothing is registered that was not before."""
    before = [(registry.components, dict(registry.components)) for registry in REGISTRIES.values()]
    yield run
    for components, members in before:
        components.clear()
        components.update(members)


def test_the_page_builds_one_plugin_of_five_pieces():
    assert len(PIECES) == 5
    for registry in ("SCORES", "MODELS", "DATASETS", "SEARCH_SPACES"):
        assert PLUGIN.count(f"\n{registry} = ") == 1


def test_its_components_keep_their_contracts(run, folder):
    code, out, err = run("check", "--plugin", "my_plugin")
    assert (code, err) == (0, ""), out
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert rows[1:] == [
        ["score", "logit_energy", "ok"],
        ["score", "root_snip", "ok"],
        ["model", "tiny_conv", "ok"],
        ["data set", "stripes", "ok"],
        ["space", "stripes", "ok"],
    ]


@pytest.mark.slow
def test_a_study_runs_with_them_and_its_records_name_the_plugin(run, folder):
    done = cops(
        *(folder, "launch", "stripes", "--plugin", "my_plugin.py"),
        *("--trials", 5, "--rates", "0.8", "--concurrency", 1),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    study = folder / "cops-home" / "studies" / "stripes"
    assert (study / "plugins" / "my_plugin.py").read_text() == PLUGIN
    assert json.loads((study / "study.json").read_text())["settings"]["plugins"] == {"my_plugin": SHA}
    records = [json.loads(path.read_text()) for path in sorted((study / "trials").iterdir())]
    assert {record["status"] for record in records} <= {"finished", "stopped"}
    assert len(records) == 5
    assert {record["facts"]["plugins"]["my_plugin"] for record in records} == {SHA}
    assert {record["config"]["model"] for record in records} == {"tiny_conv"}
    targets = {record["config"]["selection"]["target"] for record in records[3:]}
    assert targets <= {"logit_energy", "root_snip"}
    code, _, err = run("status", "stripes")
    assert (code, err.count("\n")) == (2, 1)
    assert "study 'stripes' used plugins: add --plugin my_plugin" in err
    assert "5/5" in run("status", "stripes", "--plugin", "my_plugin")[1]

    client = MlflowClient(f"sqlite:///{folder / 'cops-home' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cops-study").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    assert parent.data.params["plugins.my_plugin"] == SHA
    text = client.download_artifacts(parent.info.run_id, "plugins/my_plugin.py", str(folder))
    assert Path(text).read_text() == PLUGIN
    assert {one.data.tags["plugin.my_plugin"] for one in runs if one is not parent} == {SHA}


CHECK_SCORE = """
import torch
torch.set_num_threads(1)
from cops_core.contracts.base import failures
from cops_core.contracts.scores import SCORE_CHECKS
import cops_core
print(cops_core.__file__)
print(*failures(SCORE_CHECKS, "logit_energy"))
"""


@pytest.mark.slow
def test_inside_the_project_it_is_one_file_and_one_line(tmp_path):
    shutil.copytree(ROOT / "cops_core", tmp_path / "cops_core", ignore=shutil.ignore_patterns("__pycache__"))
    scores = tmp_path / "cops_core" / "scores"
    (scores / "logit_energy.py").write_text(PIECES[0])
    registry = (scores / "__init__.py").read_text()
    line = '"logit_energy": LOGIT_ENERGY,'
    assert line in PAGE
    registry = registry.replace('    "random": RANDOM,\n', f'    "random": RANDOM,\n    {line}\n')
    registry = registry.replace(
        "from cops_core.scores.magnitude",
        "from cops_core.scores.logit_energy import LOGIT_ENERGY\nfrom cops_core.scores.magnitude",
    )
    (scores / "__init__.py").write_text(registry)
    # `python -c` looks in the working directory first: the copy, not the checkout.
    done = subprocess.run(
        [sys.executable, "-c", CHECK_SCORE], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "cops_core" / "__init__.py"), ""]


@pytest.mark.parametrize("command", [["launch", "quickstart"], ["spaces"], ["status"], ["check"]])
def test_a_missing_plugin_is_one_line(run, command):
    code, out, err = run(*command, "--plugin", "nosuch")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "error: plugin 'nosuch' does not exist" in err


BROKEN = """
from cops_core.models import MODELS as THEIRS
from cops_core.scores.magnitude import MAGNITUDE
from cops_core.scores.base import Score
from search_spaces import SearchSpace
from search_spaces.question import Rates

class View(Score):
    traits = MAGNITUDE.traits

    def compute(self, problem):
        return dict(problem.network.weights)

def wrong_logits(shape, classes):
    return THEIRS["lenet_300_100"](shape, classes + 1)

def nowhere(root):
    raise FileNotFoundError("nothing\\nhere")

def mine(trial):
    return None

SCORES = {"view": View()}
MODELS = {"wrong_logits": wrong_logits}
DATASETS = {"nowhere": nowhere}
SEARCH_SPACES = {"mine": SearchSpace("mine", mine, Rates(), 24)}
"""


def test_broken_contracts_are_reported_line_by_line(run, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    code, out, err = run("check", "--plugin", "broken")
    assert (code, err) == (1, "")
    said = " ".join(out.split())
    assert "score view" in said
    assert "a view of the model" in said
    assert "model wrong_logits" in said
    assert "not (5, 37)" in said
    assert "data set nowhere" in said
    assert "FileNotFoundError: nothing here" in said
    assert "space mine" in said
    assert "returns NoneType, not a TrialConfig" in said
    assert " ok" not in said


def test_its_space_is_listed(run, folder):
    code, out, _ = run("spaces", "--plugin", "my_plugin")
    assert code == 0
    assert "Scores of my own, alone and with a control" in out


WORKER = """
import json, sys
from pathlib import Path
from cops_core.data import load_data
from study.run.ray import worker
from study.run.ray.worker import TrialWorker
# What Ray would have sent: the driver has the plugin, and its data.
worker.received = lambda name: load_data(name, Path())
result = TrialWorker(json.load(sys.stdin)).step()
print(result["status"], result.get("reason"), result.get("facts"), sep="\\n")
"""


def task(tmp_path: Path, sha: str = SHA) -> dict[str, object]:
    """What a worker is sent, with the plugin as text; its configuration as JSON of a plain one."""
    config = TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.2", training=Training())
    document = config.model_dump_json().replace('"lenet_300_100"', '"tiny_conv"').replace("digits", "stripes")
    StudyStore(str(tmp_path), "mine").write_record(made_record())
    return {
        "threads": 1,
        "gpus": 0.0,
        "device": "cpu",
        "data": ["stripes"],
        "code_sha256": code_sha256(),
        "score_cache": str(tmp_path / "scores"),
        "storage": str(tmp_path),
        "study": "mine",
        "name": "00000-0123456789abcdef",
        "checkpoint_s": 1e9,
        "plugins": json.dumps([{"name": "my_plugin", "sha256": sha, "source": PLUGIN}]),
        "trial": document.replace('"snip"', '"logit_energy"'),
    }


@pytest.mark.slow
def test_a_worker_that_lacks_the_file_has_its_text(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        input=json.dumps(task(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    status, reason, facts = done.stdout.splitlines()
    assert (status, reason) == ("running", "None")
    assert json.loads(facts)["plugins"] == {"my_plugin": SHA}
    assert json.loads(facts)["manifest"]["extensions"] == {"my_plugin": SHA}


def test_a_plugin_that_a_worker_cannot_load_is_reported_with_its_node(tmp_path):
    broken = {**task(tmp_path), "plugins": json.dumps([{"name": "b", "sha256": "0", "source": "1 / 0"}])}
    result = TrialWorker(broken).step()
    assert (result["status"], result["done"]) == (UNFIT, True)
    assert "plugin 'b' cannot be imported: ZeroDivisionError" in result["reason"]
