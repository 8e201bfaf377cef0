"""`cops check --address`: is every node of a cluster fit to run a study?"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from cops_core.data import DATASETS, load_data
from cops_core.errors import InputError, lookup
from cops_core.plugins import Plugin
from study.console import print_line
from study.run.preflight import check_home
from study.run.ray.cluster import Cluster
from study.run.ray.fitness.cluster import NodeCheck, check_nodes
from study.run.ray.shared_data import DataShare
from study.settings import Device
from study.tracking import check_store

# Exit codes of `cops check --address`: a study can be launched, or not.
FIT, UNFIT = 0, 2


def check_cluster(
    *,
    address: str,
    storage: str,
    tracking: str,
    home: Path,
    data_root: Path,
    dataset: str,
    score_cache: Path,
    plugins: tuple[Plugin, ...],
    device: str,
    console: Console,
) -> int:
    """Check every node of a cluster; prints a table of the nodes and a line for each problem.

    MLflow is checked from this machine only, since only a study's driver connects to it.

    Args:
        address: Of the cluster.
        storage: Where studies are.
        tracking: MLflow.
        home: Of the studies.
        data_root: The folder for downloads.
        dataset: The data set that is sent to every node.
        score_cache: A folder on each machine.
        plugins: Those that studies need.
        device: `auto`, `cpu` or `cuda`.
        console: Receives the table and the lines.

    Returns:
        The exit code.

    Raises:
        InputError: There is no cluster, or the storage cannot be written here.
    """
    lookup("device", device, dict.fromkeys(get_args(Device)))
    lookup("data set", dataset, DATASETS)
    code, data = FIT, DataShare(lambda name: load_data(name, data_root))
    check_home(home)
    try:
        check_store(tracking)
    except InputError as error:
        code = UNFIT
        print_line(console, str(error), "red")
    with Cluster(address):
        checks = check_nodes(
            storage=storage,
            score_cache=score_cache,
            plugins=plugins,
            data=data.reference(dataset),
            data_sha256=data.sha256(dataset),
            use_gpus=device != "cpu",
            console=console,
        )
    _print_nodes(checks, console)
    return UNFIT if any(check.problems for check in checks) else code


def _print_nodes(checks: Sequence[NodeCheck], console: Console) -> None:
    """Print a table of the nodes."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("node", "host", "CPUs", "GPUs", "", "result"):
        table.add_column(heading, justify="right" if heading in ("CPUs", "GPUs") else "left")
    for check in checks:
        table.add_row(
            *(check.node.address, check.host, f"{check.node.cpus:g}", f"{check.node.gpus:g}"),
            ", ".join(sorted(set(check.gpus))),
            "[red]unfit" if check.problems else "ok",
        )
    console.print(table)
