"""docs/cluster/slurm.sh for real on this machine, with an `srun` that runs its command once."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from study.records.store import StudyStore

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_job_runs_a_study_and_leaves_its_records_and_no_process(tmp_path):
    programs, job = tmp_path / "programs", tmp_path / "job"
    programs.mkdir()
    job.mkdir()
    (programs / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    (programs / "srun").chmod(0o755)
    (job / ".venv").symlink_to(Path(sys.prefix))
    with tempfile.TemporaryDirectory(prefix="job-") as short:  # Ray's sockets bear no long path
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("COPS_", "RAY_"))},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": short,
            "SLURM_SUBMIT_DIR": str(job),
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_NNODES": "1",
            "SLURM_CPUS_PER_TASK": "2",
            "COPS_SCORE_CACHE": str(tmp_path / "scores"),
        }
        done = subprocess.run(
            [
                *("bash", ROOT / "docs" / "cluster" / "slurm.sh", "quickstart"),
                *("--trials", "7", "--seeds", "1", "--epochs", "2"),
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    trials = StudyStore(str(job / "cops-storage"), "quickstart").trials()
    assert [trial.status for trial in trials] == ["finished"] * 7
    assert (job / "cops-storage" / "_mlflow" / "mlflow.db").stat().st_size > 0
    assert not list(job.glob(".cops-job-*"))
    assert processes_of(job) == []


def processes_of(job):
    """The command lines of processes that still bear the job's token or folder in their environment."""
    mark = f"SLURM_SUBMIT_DIR={job}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found
