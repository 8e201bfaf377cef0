"""Whether a command would be accepted, asked of the program's own parser: nothing is run."""

import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from importlib.util import find_spec

from .pages import ROOT


class NotAcceptedError(AssertionError):
    """A command that its program would refuse."""


def cops_group():
    from typer.main import get_command

    from study.cli.app import app

    return get_command(app)


def cops_commands():
    return cops_group().commands


def _context(command, words, line):
    """The values of a click command's parameters."""
    if words == ["--help"]:
        return {}
    try:
        return command.make_context(command.name, list(words)).params
    except Exception as error:  # click's own class and the one that typer carries have no common base
        raise NotAcceptedError(f"{line}: {error}") from error


def parse_cops(line: str) -> None:
    """`cops COMMAND ...` or `cops --FLAG`: it is there, and knows every option."""
    words = shlex.split(line)
    known = cops_commands()
    own = {option for parameter in cops_group().params for option in parameter.opts} | {"--help"}
    if words[1] in own and not words[2:]:
        return
    if words[0] != "cops" or words[1] not in known:
        raise NotAcceptedError(f"{line}: no such command")
    _context(known[words[1]], words[2:], line)


def _click(command, words, line):
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            raise NotAcceptedError(f"{line}: no such command")
        command, words = command.commands[words[0]], words[1:]
    return _context(command, words, line)


def parse_ray(line: str) -> None:
    """`ray ...`, the command that it carries to a cluster, and the file that it names."""
    with warnings.catch_warnings(action="ignore"):
        from ray.scripts.scripts import cli
    values = _click(cli, shlex.split(line.partition(" > ")[0])[1:], line)
    for carried in (values.get("cmd"), shlex.join(values.get("entrypoint") or ())):
        if carried:
            parse_line(carried)
    file = values.get("cluster_config_file")
    if file and not (ROOT / file).is_file():
        raise NotAcceptedError(f"{line}: no file {file}")


def parse_mlflow(line: str) -> None:
    from mlflow.cli import cli

    _click(cli, shlex.split(line)[1:], line)


# What the AWS command line adds of its own to EC2's parameters.
AWS_OWN = {"region", "protocol", "port", "cidr", "source-group", "filters"}


def parse_aws(line: str) -> None:
    """`aws SERVICE OPERATION --PARAMETER ...`, by the service's own description."""
    import botocore.session
    from botocore import xform_name

    _, service, operation, *rest = shlex.split(line)
    if service == "s3":  # the command line's own, without a description
        assert operation in {"mb", "rm"}
        return
    model = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        raise NotAcceptedError(f"{line}: no such operation")
    members = model.operation_model(operations[operation]).input_shape.members
    known = {xform_name(name, "-") for name in members} | AWS_OWN
    wrong = {word[2:] for word in rest if word.startswith("--")} - known
    if wrong:
        raise NotAcceptedError(f"{line}: no such parameter: {wrong}")
    for file in re.findall(r"file://(docs/\S+)", line):
        if not (ROOT / file).is_file():
            raise NotAcceptedError(f"{line}: no file {file}")


def parse_kubectl(line: str) -> None:
    """The files that it applies, and the command that it carries."""
    own, _, carried = line.partition(" -- ")
    for file in re.findall(r"-f (\S+)", own):
        if not (ROOT / file).is_file():
            raise NotAcceptedError(f"{line}: no file {file}")
    if carried:
        parse_line(carried)


def parse_sbatch(line: str) -> None:
    """slurm.sh hands its words to `cops launch`."""
    _, script, *words = shlex.split(line)
    if not (ROOT / script).is_file():
        raise NotAcceptedError(f"{line}: no file {script}")
    parse_cops(shlex.join(["cops", "launch", *words]))


def parse_pytest(line: str) -> None:
    """Paths are there, markers are declared, and options are pytest's or the tests' own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    markers = {text.partition(":")[0] for text in project["tool"]["pytest"]["ini_options"]["markers"]}
    words = iter(shlex.split(line)[1:])
    for word in words:
        if word == "-m":
            wrong = set(re.findall(r"\w+", next(words))) - {"and", "or", "not"} - markers
            if wrong:
                raise NotAcceptedError(f"{line}: no marker {wrong}")
        elif word == "-n":  # of pytest-xdist: how many processes
            int(next(words))
        elif word.startswith("--"):
            if f'"{word}"' not in (ROOT / "tests" / "conftest.py").read_text():
                raise NotAcceptedError(f"{line}: no option {word}")
            next(words)
        elif not (ROOT / word.partition("::")[0]).exists():
            raise NotAcceptedError(f"{line}: no such path: {word}")


def parse_python(line: str) -> None:
    """`python FILE ...` or `python -m MODULE ...`: it is there."""
    words = shlex.split(line)[1:]
    there = find_spec(words[1]) if words[0] == "-m" else (ROOT / words[0]).is_file()
    if not there:
        raise NotAcceptedError(f"{line}: no {words[:2]}")


def parse_ruff(line: str) -> None:
    """Ruff reads all words before it shows its help."""
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(line), "--help"], capture_output=True, text=True
    )
    if done.returncode:
        raise NotAcceptedError(f"{line}: {done.stderr}")


PARSERS = {
    "cops": parse_cops,
    "ray": parse_ray,
    "mlflow": parse_mlflow,
    "aws": parse_aws,
    "kubectl": parse_kubectl,
    "sbatch": parse_sbatch,
    "pytest": parse_pytest,
    ".ci/check": parse_pytest,
    "python": parse_python,
    "python3": parse_python,
    "ruff": parse_ruff,
}


def parse_line(line: str) -> None:
    """Raise NotAcceptedError unless the line's program would take its words."""
    bare = line.removeprefix("uv run ").partition(" | ")[0]
    PARSERS[bare.split()[0]](bare)
