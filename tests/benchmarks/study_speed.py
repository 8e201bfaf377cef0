"""What a study costs beside its trials: `python tests/benchmarks/study_speed.py`.

overhead: trials that sleep for a second, TPE proposing, MLflow logging, against the sleep alone.
logging: trials of 20 epochs with 10 metrics each, in the trials' own time: without MLflow, with its
SQLite database, and with a server that is killed as soon as the study has begun; these take turns.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import psutil
import typer
from command import as_command
from rich.console import Console

import study
import study.run.recording
from search_spaces.question import Pareto
from study.records.store import StudyStore
from study.tracking import MlflowView

PLUGIN = '''
"""Networks that take a known time, and a space that searches for nothing."""
import time

from torch import nn

from cops_core.config import Selection, Training, TrialConfig
from search_spaces.base import SearchSpace
from search_spaces.question import Pareto
from search_spaces.suggest import suggest_selection, suggest_training


class Sleeper(nn.Module):
    def __init__(self, seconds, layers):
        super().__init__()
        self.seconds = seconds
        self.layers = nn.Sequential(nn.Flatten(), *(nn.Linear(64, 64) for _ in range(layers - 1)))
        self.last = nn.Linear(64, 10)

    def forward(self, images):
        if not self.training and len(images) > 100:  # the validation part, once per epoch
            time.sleep(self.seconds)
        return self.last(self.layers(images))


def sleeper(shape, classes):
    return Sleeper(1.0, 1)


def quick(shape, classes):
    """Five layers: with their gradient norms, ten metrics an epoch."""
    return Sleeper(0.0, 5)


def space(model, epochs):
    def sample(trial):
        """Anything."""
        training = suggest_training(trial, epochs).model_copy(
            update={"batch_size": 2000, "probes": model == "quick"}
        )
        return TrialConfig(
            dataset="digits", validation_fraction="0.2", model=model, arm="freeze",
            selection=suggest_selection(trial), training=training,
        )

    return SearchSpace(model, sample, Pareto(), 60)


MODELS = {"sleeper": sleeper, "quick": quick}
SEARCH_SPACES = {"sleeper": space("sleeper", 1), "quick": space("quick", 20)}
'''


class NoMlflow:
    """Takes the place of MLflow's view, and writes nothing."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def resume(self, trials: Any) -> None:
        """Nothing."""

    def mark(self, trial: Any) -> None:
        """Nothing."""

    def run_ids(self) -> dict[str, str]:
        """None."""
        return {}

    def close(self, complete: bool, files: Any, timeout_s: float, description: str = "") -> list[str]:
        """Nothing."""
        return []


class Away(MlflowView):
    """MLflow behind a server that dies when the study begins, and does not come back."""

    server: subprocess.Popen[bytes]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        for process in (*psutil.Process(self.server.pid).children(recursive=True), self.server):
            process.kill()


def serve(where: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A new MLflow server on this machine, and its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{where / 'server.db'}", "--workers", "1"),
        *("--artifacts-destination", (where / "artifacts").as_uri()),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server, f"http://127.0.0.1:{port}"


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder with the plugin, as the working directory."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("slow_networks.py").write_text(PLUGIN)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def run(
    space: str, name: str, trials: int, concurrency: int, tracking_uri: str | None = None
) -> tuple[Any, float]:
    """A study's table, and the seconds that it took in all."""
    began = time.perf_counter()
    table = study.launch(
        space,
        name=name,
        trials=trials,
        question=Pareto(),
        concurrency=concurrency,
        plugins=["slow_networks.py"],
        score_cache="scores",
        tracking_uri=tracking_uri,
        fresh=True,
        quiet=True,
    )
    counts = table["status"].value_counts().to_dict()
    assert set(counts) <= {"finished", "diverged", "collapsed"}, counts
    return table, time.perf_counter() - began


def main(
    trials: Annotated[int, typer.Option(help="Trials of one second.")] = 400,
    concurrency: Annotated[int, typer.Option(help="Of these at a time.")] = 2,
    rounds: Annotated[int, typer.Option(help="Studies with MLflow and without.")] = 3,
    logged: Annotated[int, typer.Option(help="Trials of each of these.")] = 30,
) -> None:
    """Print both."""
    console = Console()
    with folder() as home:
        table, whole = run("sleeper", "overhead", trials, concurrency)
        recorded = StudyStore(str(home / "cops-home" / "studies"), "overhead").trials()
        span = max(trial.ended or 0.0 for trial in recorded) - min(trial.started for trial in recorded)
        ideal = trials / concurrency
        console.print(f"{trials} trials of 1 s, {concurrency} at a time, ideal {ideal:.0f} s:")
        console.print(f"  from the first trial to the last {span:.1f} s, ratio {span / ideal:.3f}")
        console.print(f"  with the start of Ray and MLflow {whole:.1f} s, ratio {whole / ideal:.3f}")
    seconds: dict[str, list[float]] = {"without": [], "SQLite": [], "away": []}
    views: dict[str, Any] = {"without": NoMlflow, "SQLite": MlflowView, "away": Away}
    with folder() as home:
        for number in range(rounds):
            for kind, view in views.items():
                study.run.recording.MlflowView = view
                uri = None
                if kind == "away":
                    Away.server, uri = serve(home)
                table, _ = run("quick", f"{kind}-{number}", logged, 1, uri)
                seconds[kind] += list(table["seconds"][table["epochs"] == 20])
    without = median(seconds["without"])
    console.print(f"20 epochs of 10 metrics: {1000 * without:.1f} ms a trial without MLflow")
    for kind in ("SQLite", "away"):
        console.print(f"  {kind}: {1000 * (median(seconds[kind]) - without):+.1f} ms in the trial's own time")


if __name__ == "__main__":
    as_command(main)
