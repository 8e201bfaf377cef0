"""What limits a study on many GPUs: `python tests/benchmarks/scaling.py`. The figures of docs/scaling.md.

cluster: trials that sleep, on a Ray cluster of many nodes on this machine; what the driver spends on each.
searcher: a TPE proposal, and hearing of its result, after so many trials.
storage: a trial's record, written to a folder, and to an object store with a known delay.
mlflow: a finished trial, written to SQLite, and to a server.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import boto3
import numpy as np
import typer
from command import as_command
from markdown import table
from moto.server import ThreadedMotoServer
from study_speed import PLUGIN, folder, serve

import study
from search_spaces import SEARCH_SPACES
from search_spaces.question import Pareto, Rates
from study.records.store import StudyStore
from study.records.study_record import make_study_record
from study.records.trial import StudyTrial
from study.search.search_plan import SearchPlan
from study.settings import make_settings
from study.tracking import MlflowView, connect

Cells = tuple[str, str, str]  # the part, what was measured, so one study has at most
HISTORIES = (100, 1000, 3000, 5000)
REPEATED = 20
# A cluster outlives the process that asks for it: it is started and ended by a process of its own.
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
for _ in range(int(sys.argv[1])):
    cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def nodes(count: int) -> Iterator[str]:
    """A Ray cluster of `count` nodes with a CPU each, beside its head; its address."""
    command, quiet = [sys.executable, "-c", NODES, str(count)], subprocess.DEVNULL
    environment = {**os.environ, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate("")


def measure_cluster(count: int, trials: int, seconds: float) -> list[Cells]:
    """Trials of `seconds` each on `count` nodes: the rate in the middle half of the study."""
    text = PLUGIN.replace("Sleeper(1.0, 1)", f"Sleeper({seconds}, 1)")
    with folder() as home, nodes(count) as address:
        Path("slow_networks.py").write_text(text)
        began, spent = time.perf_counter(), time.process_time()
        study.launch(
            *("sleeper",),
            name="many",
            trials=trials,
            question=Pareto(),
            sampler="random",
            concurrency=count,
            plugins=["slow_networks.py"],
            score_cache="scores",
            address=address,
            fresh=True,
            quiet=True,
        )
        whole, driver = time.perf_counter() - began, time.process_time() - spent
        recorded = StudyStore(str(home / "cops-home" / "studies"), "many").trials()
    ends = sorted(trial.ended or 0.0 for trial in recorded)
    middle = ends[len(ends) // 4 : 3 * len(ends) // 4]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    used = {trial.facts["placed"]["node_id"] for trial in recorded if trial.facts}
    ideal, each = count / seconds, driver / trials
    what = f"the whole study, {len(used)} nodes, {trials} trials of {seconds:g} s, random sampler, SQLite"
    measured = (
        f"{rate:.1f} trials/s of {ideal:.1f} ideal ({rate / ideal:.0%}) in its middle half; {whole:.0f} s"
    )
    driver_does = "driver: Tune's event loop, records, tables, MLflow"
    return [
        (what, measured, ""),
        (driver_does, f"{1000 * each:.0f} ms of one core for each trial", f"{1 / each:.0f} trials/s"),
    ]


def measure_searcher(sizes: Sequence[int]) -> list[Cells]:
    """The time of a proposal with its result, after `sizes` trials of a pareto study; a worker's wait for it.

    A worker waits less once proposals are made ahead, here completely before the next one is asked for.
    """
    space = SEARCH_SPACES["quickstart"]
    found = []
    for size in sizes:
        settings = make_settings(
            space="quickstart", name="x", trials=size + 2 * REPEATED, question=Pareto(), stopping="none"
        )
        search_plan = SearchPlan(space, settings)
        for _ in range(size):
            settle(search_plan)
        seconds = timed(lambda search_plan=search_plan: settle(search_plan), REPEATED)
        waits = []
        for _ in range(REPEATED):
            _ = search_plan.histories  # waits for all that is made ahead, as a trial's training does
            waits.append(settle(search_plan))
        what = f"searcher: a TPE proposal and its result, one history of {size:,} trials"
        wait = 1000 * float(np.median(waits))
        measured = f"{1000 * seconds:.0f} ms; a worker waits {wait:.1f} ms"
        found.append((what, measured, f"{1 / seconds:.0f} trials/s"))
    return found


def settle(search_plan: SearchPlan) -> float:
    """One trial, from proposal to result; returns the seconds until it is handed out."""
    began = time.perf_counter()
    trial = search_plan.ask()
    waited = time.perf_counter() - began
    trial.start_sequence, trial.finish_sequence = 2 * trial.number, 2 * trial.number + 1
    accuracy = (trial.number * 37 % 100) / 100
    trial.add_row({"epoch": 1, "validation_accuracy": accuracy, "train_seconds": 1.0})
    trial.status = "finished"
    search_plan.tell(trial)
    return waited


def timed(act: Callable[[], Any], count: int) -> float:
    """Seconds per call."""
    began = time.perf_counter()
    for _ in range(count):
        act()
    return (time.perf_counter() - began) / count


@contextmanager
def real_study(trials: int, epochs: int) -> Iterator[StudyStore]:
    """A study that was just run, with its networks."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        study.launch(
            "quickstart",
            home=home,
            score_cache=home / "scores",
            question=Rates((Decimal("0.99"),)),
            trials=trials,
            epochs=epochs,
            quiet=True,
        )
        yield StudyStore(str(home / "studies"), "quickstart")


def measure_storage(source: StudyStore, count: int) -> list[Cells]:
    """Real records: written to a folder, and by S3's protocol to this machine."""
    trials = source.trials()
    size = sum(len(json.dumps(trial.record(), indent=1)) for trial in trials) / len(trials)
    with tempfile.TemporaryDirectory() as name:
        folder_s = timed_saves(StudyStore(name, "x"), trials, count)
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="bucket")
    remote = StudyStore(f"s3://bucket/dir?endpoint_override=127.0.0.1:{port}&scheme=http", "x")
    remote_s = timed_saves(remote, trials, count)
    server.stop()
    what = f"storage: a record of {size / 1000:.0f} kB"
    return [
        (f"{what} in a folder", f"{1000 * folder_s:.1f} ms", f"{1 / folder_s:.0f} writes/s"),
        (
            f"{what} over S3's protocol to this machine",
            f"{1000 * remote_s:.0f} ms",
            f"{1 / remote_s:.0f} writes/s",
        ),
    ]


def timed_saves(store: StudyStore, trials: Sequence[StudyTrial], count: int) -> float:
    """Seconds for writing a record."""
    store.write_record(make_study_record({}))
    left = cycle(trials)
    return timed(lambda: store.save(next(left)), count)


def measure_mlflow(source: StudyStore) -> list[Cells]:
    """A real study, put into an MLflow that has nothing of it."""
    trials, settings = source.trials(), source.record()["settings"]
    epochs = sum(len(trial.rows) for trial in trials) / len(trials)
    found = []
    for kind in ("SQLite", "server"):
        with folder() as home:
            server, uri = serve(home) if kind == "server" else (None, f"sqlite:///{home / 'mlflow.db'}")
            connect(uri)
            view = MlflowView(uri, home, "x", {**settings, "study_id": "x"}, (), source.read)
            began = time.perf_counter()
            view.resume(trials)
            refused = view.close(True, {}, 30.0)
            seconds = (time.perf_counter() - began) / len(trials)
            assert not refused, refused
            if server is not None:
                server.terminate()
                server.wait()
        what = f"MLflow, {kind}: a trial of {epochs:.0f} epochs with its network and five files"
        found.append((what, f"{1000 * seconds:.0f} ms", f"{1 / seconds:.0f} trials/s"))
    return found


def main(
    count: Annotated[int, typer.Option("--nodes", help="Nodes of the cluster.")] = 16,
    trials: Annotated[int, typer.Option(help="Trials on them.")] = 400,
    seconds: Annotated[float, typer.Option(help="Of each trial.")] = 1.0,
    history: Annotated[
        list[int] | None, typer.Option(help="Trials before a proposal; 100, 1,000, 3,000.")
    ] = None,
    recorded: Annotated[int, typer.Option(help="Trials of the study that is written again.")] = 24,
    epochs: Annotated[int, typer.Option(help="Of each of these.")] = 15,
    writes: Annotated[int, typer.Option(help="Of records.")] = 200,
) -> None:
    """Print all of it."""
    rows = measure_searcher(history or HISTORIES)
    with real_study(recorded, epochs) as source:
        rows += measure_storage(source, writes)
        rows += measure_mlflow(source)
    rows = [*measure_cluster(count, trials, seconds), *rows]
    typer.echo(table(("part", "measured", "so one study has at most"), rows))


if __name__ == "__main__":
    as_command(main)
