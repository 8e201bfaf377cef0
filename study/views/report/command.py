"""The command that runs a study again, from what the study wrote about itself."""

from collections.abc import Iterator, Mapping
from shlex import join
from typing import Any

from study.papers.experiments import EXPERIMENTS
from study.settings import Settings

# What decides the results and is not the question; where things lie belongs to the machine.
VALUES = ("trials", "seed", "seeds", "sampler", "stopping", "epochs", "concurrency", "cpus_per_trial")

IMPORTED = "  # but for its first proposals, which cops import took from an Optuna study"


def launch_command(name: str, settings: Mapping[str, Any]) -> str:
    """`cops launch SPACE --name NAME ...` with every setting that is not its default.

    settings: as recorded. An experiment's studies are made by `cops experiment`.
    """
    if settings["space"] in EXPERIMENTS:
        return join(["cops", "experiment", settings["space"]])
    words = ["cops", "launch", settings["space"], "--name", name]
    for field in VALUES:
        value = settings.get(field)
        if value is not None and (field == "trials" or value != Settings.model_fields[field].default):
            words += [f"--{field.replace('_', '-')}", str(value)]
    if settings.get("seeds", 1) > 1 and not settings.get("racing", True):
        words.append("--no-racing")
    words += _question(settings["question"])
    for plugin in settings.get("plugins", {}):
        words += ["--plugin", plugin]
    return join(words) + (IMPORTED if settings.get("first") else "")


def _question(question: Mapping[str, Any]) -> Iterator[str]:
    if question["kind"] != "rates":
        yield from ("--objective", question["kind"])
    if question["kind"] == "smallest":
        yield from ("--keep", question["keep"])
    if question.get("cost", "density") != "density":
        yield from ("--cost", question["cost"])
    yield from ("--rates", ",".join(question["rates"]))
