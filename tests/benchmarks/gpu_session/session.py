"""Runs the parts one after the other, each in a process of its own, within a deadline."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gpu_session.report import PartReport
from gpu_session.rows import Row, read_rows
from gpu_session.setting import Setting

SHORTEST_S = 3.0  # a part with less is not begun
GRACE = 0.1  # the share of a part's time in which it begins nothing new
COMMAND = Path(__file__).parents[1] / "gpu.py"


def shares(weights: Sequence[float], left: float) -> float:
    """The seconds of the first of some parts: what one does not use is left to those after it."""
    return left * weights[0] / sum(weights)


def run_session(
    weights: Mapping[str, float],
    setting: Setting,
    seconds: float,
    folder: Path,
    write: Callable[[Sequence[PartReport]], None],
) -> list[PartReport]:
    """Run all parts.

    Args:
        weights: By the part's name, in their order.
        setting: Of the session.
        seconds: For all of them together.
        folder: For their rows.
        write: Called after each part with all parts so far.

    Returns:
        What each part has found.
    """
    end = time.monotonic() + seconds
    reports: list[PartReport] = []
    names, values = list(weights), list(weights.values())
    for number, name in enumerate(names):
        limit = shares(values[number:], end - time.monotonic())
        reports.append(run_part(name, setting, limit, folder / f"{name}.jsonl"))
        write(reports)
    return reports


def run_part(name: str, setting: Setting, limit: float, path: Path) -> PartReport:
    """Run one part, and end it after its time with everything that it has started."""
    if limit < SHORTEST_S:
        row = Row(name, "all of it", f"no time: {max(limit, 0):.1f} s were left", status="cut")
        return PartReport(name, limit, 0.0, [row])
    began = time.monotonic()
    command = [sys.executable, str(COMMAND), "--part", name, "--rows", str(path), "--device", setting.device]
    command += ["--minutes", str(limit * (1 - GRACE) / 60)]
    log = path.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(process)
    rows = read_rows(path)
    if code is None:
        rows.append(Row(name, "the rest", f"stopped after its {limit:.0f} s", status="cut"))
    elif code:
        last = " ".join(log.read_text(errors="replace").strip().splitlines()[-1:])
        rows.append(Row(name, "the rest", f"ended with {code}: {last[:200]}", status="failed"))
    return PartReport(name, limit, time.monotonic() - began, rows)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it runs, and all others of its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
