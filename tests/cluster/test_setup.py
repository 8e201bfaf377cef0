"""What cluster.yaml and docs/cluster/on-prem.yaml make of a machine: filters and setup commands, for real."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.command_runner import SSHCommandRunner

ROOT = Path(__file__).resolve().parents[2]
FILES = {"aws": ROOT / "cluster.yaml", "on-prem": ROOT / "docs" / "cluster" / "on-prem.yaml"}
SETUP = ("setup_commands", "head_setup_commands")


def load(name):
    return yaml.safe_load(FILES[name].read_text())


@pytest.mark.slow  # needs rsync, which is no package of Python's
def test_the_commit_travels_and_what_git_ignores_stays(tmp_path):
    project, node = tmp_path / "project", tmp_path / "node"
    for name in (".venv/bin", "cops-home/studies", "data", "study/__pycache__", ".git/objects"):
        (project / name).mkdir(parents=True)
    kept = {"study/a.py", "pyproject.toml", ".git/HEAD", "study/data.py"}
    left = {
        ".venv/bin/python",
        "cops-home/studies/x.json",
        "data/x.idx",
        "study/__pycache__/a.pyc",
        "n.safetensors",
    }
    for name in kept | left:
        (project / name).write_text("x")
    shutil.copy(ROOT / ".gitignore", project)
    options = {"rsync_filter": load("aws")["rsync_filter"], "rsync_exclude": []}
    filters = SSHCommandRunner._create_rsync_filter_args(None, options)
    subprocess.run(["rsync", "-a", *filters, f"{project}/", f"{node}/"], check=True)
    arrived = {str(path.relative_to(node)) for path in node.rglob("*") if path.is_file()}
    assert arrived == kept | {".gitignore"}


@pytest.mark.parametrize("name", FILES)
def test_the_environment_is_written_once_however_often_a_node_is_set_up(name, tmp_path):
    config = load(name)
    commands = [command for key in SETUP for command in config[key] if "cops-env" in command]
    for command in commands * 2:
        in_home(tmp_path, command)
    assert (tmp_path / ".bashrc").read_text() == ". ~/.cops-env\n"
    lines = (tmp_path / ".cops-env").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 6
    show = 'echo "$COPS_STORAGE $COPS_TRACKING_URI $COPS_ADDRESS $COPS_HOME $RAY_AUTH_MODE ${PATH%%:*}"'
    storage = {"aws": "s3://BUCKET/cops", "on-prem": "/shared/cops"}[name]
    expected = f"{storage} http://127.0.0.1:5000 auto {tmp_path}/cops-home token {tmp_path}/cops-venv/bin"
    assert in_home(tmp_path, show).strip() == expected


def in_home(home, command, minutes=1.0):
    """What a command prints that runs as the launcher runs it, in a home of its own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COPS_", "RAY_"))
    }
    environment.pop("VIRTUAL_ENV", None)
    environment.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))  # 5 GB, here already
    line = f"source ~/.bashrc; export OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore && ({command})"
    (home / ".bashrc").touch()
    done = subprocess.run(
        ["bash", "-c", line],
        env={**environment, "HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60 * minutes,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_setup_commands_make_a_node_that_can_run_studies(tmp_path):
    """All of them, twice, in an empty home: the second time changes nothing."""
    project = tmp_path / "cops-study"
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    config = load("aws")
    for command in [*config["setup_commands"], *config["setup_commands"][1:], *config["head_setup_commands"]]:
        in_home(tmp_path, command, minutes=20)
    assert "launch" in in_home(tmp_path, "cops --help")
    assert in_home(tmp_path, "command -v cops ray").split() == [
        f"{tmp_path}/cops-venv/bin/cops",
        f"{tmp_path}/cops-venv/bin/ray",
    ]
    program = "import study, torch, ray, boto3; print(study.__file__, torch.__version__.partition('+')[0])"
    where, version = in_home(tmp_path, f'python -c "{program}"').split()
    assert where == f"{project}/study/__init__.py"
    assert f"torch=={version}" in (ROOT / "constraints.txt").read_text().splitlines()
    shutil.rmtree(tmp_path / "cops-venv")
