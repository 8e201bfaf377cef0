"""docs/cluster.md: its commands exist with the options that it writes, and so do the files that it names."""

import re
import shlex
import warnings
from pathlib import Path

import click
import pytest
import typer
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cluster.md").read_text()
BLOCKS = [line.strip() for block in re.findall(r"```\n(.*?)```", TEXT, re.S) for line in block.splitlines()]
SPANS = [
    span[1:-1] if span.startswith('"') else span
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
]
RAY = [words for words in BLOCKS + SPANS if re.match(r"ray \w+.* \S", words)]
COPS = [words for words in BLOCKS + SPANS if re.match(r"cops \w+ [\w-]", words)]
KUBERAY = yaml.safe_load((ROOT / "docs" / "cluster" / "kuberay.yaml").read_text())


def ray_commands():
    with warnings.catch_warnings(action="ignore"):
        from ray.scripts.scripts import cli
    return cli


def parse(command, words):
    """The values of a command's parameters. Raises click's error where it does not know a word."""
    return command, command.make_context(command.name, list(words)).params


def check(line):
    """The command of ray that a line runs is one, and so is the one that it carries in turn."""
    words = shlex.split(line.partition(" > ")[0])
    command, rest = ray_commands(), words[1:]
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    _, values = parse(command, rest)
    for carried in (values.get("cmd"), shlex.join(values.get("entrypoint") or ())):
        if carried and carried.startswith("ray "):
            check(carried)
        elif carried:
            check_cops(carried)
    if file := values.get("cluster_config_file"):
        assert (ROOT / file).is_file()


def check_cops(line):
    from typer.main import get_command

    from study.cli.app import app

    words = shlex.split(line)
    assert words[0] == "cops"
    parse(get_command(app).commands[words[1]], words[2:])


@pytest.mark.parametrize("line", RAY)
def test_rays_commands_take_the_words_that_are_written(line):
    check(line)


@pytest.mark.parametrize("line", COPS)
def test_cops_takes_the_words_that_are_written(line):
    check_cops(line)


def test_what_is_written_wrongly_is_noticed():
    assert len(RAY) > 8
    for wrong in (
        "ray exec cluster.yaml 'cops statu x'",
        "ray exec cluster.yaml 'ray job submit --nowait -- cops status x'",
        "ray exec cluster.yaml 'ray job submit --no-wait -- cops launch quickstart --adress auto'",
        "ray attach --port 5000 cluster.yaml",
        "ray up clusters.yaml",
    ):
        with pytest.raises((click.ClickException, typer.TyperException, AssertionError, KeyError)):
            check(wrong)


@pytest.mark.parametrize(
    "file", sorted(set(re.findall(r"\b((?:docs|tests)/[\w/.-]+\.(?:py|json|yaml|sh))", TEXT)))
)
def test_files_that_are_named_are_there(file):
    assert (ROOT / file).is_file()


def test_kubernetes_gets_no_trials_on_the_head_a_token_and_the_tested_ray():
    spec = KUBERAY["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert f"ray=={spec['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()
    head, (workers,) = spec["headGroupSpec"], spec["workerGroupSpecs"]
    assert head["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0", "dashboard-host": "127.0.0.1"}
    assert 0 == workers["minReplicas"] < workers["maxReplicas"] <= 8
    ray_head, mlflow = head["template"]["spec"]["containers"]
    assert ray_head["env"] == mlflow["env"]
    (ray_worker,) = workers["template"]["spec"]["containers"]
    assert {box["image"] for box in (ray_head, mlflow, ray_worker)} == {ray_head["image"]}
    assert ray_worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    check_cops(mlflow["command"][2].removeprefix("exec "))


def test_an_image_leaves_out_what_git_ignores():
    def names(file):
        lines = (ROOT / file).read_text().splitlines()
        return {line.strip("*/") for line in lines if line and not line.startswith("#")}

    assert names(".dockerignore") | {"uv.lock"} >= names(".gitignore")
