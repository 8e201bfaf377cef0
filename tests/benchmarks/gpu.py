"""A session on a GPU in one command: `uv run python tests/benchmarks/gpu.py --minutes 8`.

It writes `gpu-session.md` and `gpu-session.json` after each of its parts: the `gpu` tests' smoke part; a
trial of each arm against the CPU's numbers; steps in three precisions, eager, as CUDA graphs and compiled;
`--gpus-per-trial auto`; the quickstart; many small networks in one process against processes that share
the GPU; COPS at 1e8 weights. Each part has a share of the time. What is cut or fails is a row that says so.
`--device cpu` tries all of it without a GPU, in the smallest sizes.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from command import as_command
from gpu_session.missing import what_is_missing
from gpu_session.parts import PARTS
from gpu_session.report import PartReport, write_report
from gpu_session.rows import Rows
from gpu_session.session import run_session
from gpu_session.setting import Setting

from cops_core.errors import lookup
from cops_core.machine import machine


def commit() -> str:
    """The commit of this checkout; empty where git or the repository is missing."""
    if shutil.which("git") is None:
        return ""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main(
    minutes: Annotated[float, typer.Option(help="For all parts together.")] = 8.0,
    device: Annotated[
        str, typer.Option(help="cuda, cuda:1 ...; cpu: the smallest sizes, to try it.")
    ] = "cuda",
    only: Annotated[list[str] | None, typer.Option(help="Some parts; all where left out.")] = None,
    out: Annotated[Path, typer.Option(help="The folder for both files.")] = Path(),
    part: Annotated[str | None, typer.Option(hidden=True)] = None,
    rows: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the session, or one part of it in this process."""
    if missing := what_is_missing(device):
        typer.echo(f"error: {missing}", err=True)
        raise typer.Exit(2)
    setting = Setting(device)
    if part is not None and rows is not None:
        if not setting.on_gpu:
            torch.set_num_threads(1)
        lookup("part", part, PARTS).run(setting, Rows(part, rows, 60 * minutes))
        return
    weights = {name: lookup("part", name, PARTS).weight for name in only or PARTS}
    about = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "minutes": minutes,
        "commit": commit(),
        **machine(device),
    }
    out.mkdir(parents=True, exist_ok=True)

    def write(reports: list[PartReport]) -> None:
        write_report(out, about, reports)
        last = reports[-1]
        bad = sum(row.status in ("failed", "wrong", "cut") for row in last.rows)
        typer.echo(f"{last.name}: {len(last.rows)} rows, {bad} cut, wrong or failed, {last.seconds:.0f} s")

    with tempfile.TemporaryDirectory() as folder:
        run_session(weights, setting, 60 * minutes, Path(folder), write)
    typer.echo(f"{out / 'gpu-session.md'}, {out / 'gpu-session.json'}")


if __name__ == "__main__":
    as_command(main)
