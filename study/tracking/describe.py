"""The texts of a run's page: its description as Markdown, and the code that loads its network."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

from cops_core.config import Combine, TrialConfig
from cops_core.trainers import IMAGES
from search_spaces.question import Ablate, Compare, parse_question
from study.places import DEFAULT_HOME, find_flags, tracking
from study.records.trial import OPEN, StudyTrial

NETWORK_FILE = "network.safetensors"  # the trial's stored network, an artifact of its run
JUDGING = "judging"  # the stage in which what validation chose is trained on fresh seeds
LOAD_FILE = "load.py"  # in the same folder; MLflow's UI displays it
LOAD_LINE = f'network = load_artifact(Path("{NETWORK_FILE}"))'
PREDICT_LINE = "classes = network.predict(images)"
OWN_LOAD_LINE = f'model = load(Path("{NETWORK_FILE}"), build, plain=True).eval()'
# `![words](artifact:PATH)` shows an artifact of the run as a picture, `[words](artifact:PATH)` links to it.
OWN_FILE = re.compile(r"(!?)\[([^\]]*)\]\(artifact:([^)\s]+)\)")

OTHERS: Mapping[str, str] = {
    "prune": "all others are zero",
    "freeze": "all others stay at their initial values",
    "scale": "all others stay at {scale:g} times their initial values",
    "freeze_wd": "all others decay from their initial values",
}
# The words before the controls, and those of each control with its level.
COMBINED: Mapping[Combine, tuple[str, str]] = {
    "cops": ("as much {} as keeps ", "{} above level {:.3g}"),
    "weighted": ("the highest weighted sum of {} and of ", "{} with the weight {:.3g}"),
    "union": ("the highest {}, and for a part of the budget the highest ", "{} ({:.3g} of it)"),
}


def run_name(trial: StudyTrial) -> str:
    """The trial's title and its seed index: `freeze cops(snip; synflow 0.3) q=0.99 s=0`.

    Fresh seeds of what validation chose have `judging s=0`: they are other seeds.
    """
    stage = "" if trial.judges is None else f" {JUDGING}"
    return f"{trial.title}{stage} s={trial.seed_index}"


def where(tracking_uri: str, home: Path) -> str:
    """The flags with which a command finds this MLflow: empty for the database of the default home."""
    own = tracking_uri == tracking(home, None)
    return find_flags(home) if own else find_flags(DEFAULT_HOME, tracking_uri=tracking_uri)


def opening_note(trial: StudyTrial) -> str:
    """The description of a run whose trial has just started."""
    if trial.rejected:
        return "The space rejected the parameters of this trial: nothing is trained."
    if trial.judges is not None:
        chosen = f"Validation chose configuration {trial.judges}"
        return f"{_method(trial.config)} {chosen}: here it is trained on fresh seed {trial.seed_index}."
    return f"{_method(trial.config)} Seed {trial.seed_index} of its study."


def trial_note(trial: StudyTrial, run_id: str, options: str) -> str:
    """The description of a trial's run: its method, its result, and the commands for it.

    Args:
        trial: The trial.
        run_id: The id of its run.
        options: The flags of the commands, see `where`.

    Returns:
        Markdown.
    """
    commands = [f"cops show {run_id}{options}"]
    parts = [f"**{_result(trial)}**", opening_note(trial)]
    if trial.rows:
        images = trial.config.trainer == IMAGES
        unpack = "`cops unpack` writes its weights as a state_dict" if images else ""
        commands.append(f"cops replay {run_id}{options}")
        commands += [f"cops unpack {run_id}{options}"] if images else []
        parts.append(
            f"Its network is `{NETWORK_FILE}` under *Artifacts*. After a download, {_loading(trial)}"
            "`cops show` prints everything about the trial, `cops replay` runs it again and"
            f" compares{', ' * bool(unpack)}{unpack}:"
        )
    parts.append("```sh\n" + "\n".join(commands) + "\n```")
    return "\n\n".join(parts)


def load_code(trial: StudyTrial) -> bytes:
    """The text of `load.py`: a complete program that loads the network from the same folder."""
    plugins, config = trial.plugins, trial.config
    imports = "from cops_core.artifact import load_artifact\n\n"
    line = (
        f"{LOAD_LINE}\n"
        f"# {PREDICT_LINE}: of raw images, as the data set has them; network.model needs normalised ones."
    )
    if config.trainer != IMAGES:
        imports = "from cops_core.library.file import load\nfrom cops_core.trainers import trainer_of\n\n"
        trainer = f"trainer_of({config.trainer!r}, {dict(config.settings)!r})"
        line = f"build = {trainer}.build\n{OWN_LOAD_LINE}"
    needs = f"# It needs {', '.join(plugins)}: see docs/extending.md on how to load a plugin first.\n"
    return (
        f"# {run_name(trial)}: the trained network, on the CPU, in eval mode, with all weights.\n"
        f"{needs if plugins else ''}"
        "from pathlib import Path\n\n"
        f"{imports}{line}\n"
    ).encode()


def study_note(name: str, settings: Mapping[str, Any], home: Path, headline: str) -> str:
    """The description of a study's run: its answer, its question, and where to find more.

    Args:
        name: The study's name.
        settings: The study's settings, as JSON values.
        home: The study's home, for the commands.
        headline: The answer as Markdown, with files of the run as `artifact:PATH` (see `link_files`).

    Returns:
        Markdown.
    """
    options = find_flags(home, settings.get("storage"))
    size = f" with {settings['trials']} configurations"
    asked = parse_question(settings["question"])
    if isinstance(asked, Compare):
        size += f"; what validation chooses of each method is trained on {asked.judging_seeds} fresh seeds"
    elif settings["seeds"] > 1:
        size += f" over up to {settings['seeds']} seeds"
    question, searched = asked.sentence, f"The search space is `{settings['space']}`{size}."
    if isinstance(asked, Ablate):
        searched = f"The trial and its ablations are trained on the same {settings['seeds']} fresh seeds."
    commands = "\n".join(f"cops {verb} {name}{options}" for verb in ("status", "report", "resume"))
    return "\n\n".join(
        [
            headline,
            f"**{question}** {searched} Each trial is a run nested below this one.",
            "A trial's page describes its method and its result. *Model metrics* shows curves over its epochs"
            " (search there for `accuracy|loss`). *Artifacts* contains its network, and the line that loads"
            " it. On this page *Artifacts* contains the study's tables and figures.",
            f"```sh\n{commands}\n```",
        ]
    )


def link_files(text: str, experiment: str, run_id: str) -> str:
    """Replace `artifact:PATH` in pictures and links by the address of the file in MLflow's UI.

    Args:
        text: Markdown.
        experiment: The id of the experiment.
        run_id: The run with the files.
    """

    def link(match: re.Match[str]) -> str:
        picture, words, path = match[1], match[2], url_quote(match[3])
        if picture:
            return f"![{words}](get-artifact?path={path}&run_uuid={run_id})"
        page = f"#/experiments/{experiment}/runs/{run_id}/artifacts/{path}"
        return f"[{words}]({page}?workflowType=machine_learning)"

    return OWN_FILE.sub(link, text)


def _method(config: TrialConfig) -> str:
    """The trial's method in a sentence."""
    selection, density = config.selection, config.density
    if selection is None or density is None:
        return f"The dense network: all weights of {_network(config)}."
    target, control = COMBINED[selection.combine]
    controls = " and ".join(control.format(each.score, each.level) for each in selection.controls)
    chosen = target.format(selection.target) + controls if controls else f"the highest {selection.target}"
    # The suffix has the rounds only where they are not the published ones.
    rounds = f", {selection.rounds_label}" if selection.rounds > 1 and not selection.rounds_suffix else ""
    others = OTHERS[config.arm].format(scale=config.scale or 0)
    share = f"{(density * 100).normalize():f} %"
    kept = f"{share} of the weights of {_network(config)}: those of {chosen}{rounds}{selection.suffix}"
    moves = "" if selection.regrow is None else f"; which ones changes in the training ({selection.regrow})"
    return f"{kept}; {others}{moves}."


def _loading(trial: StudyTrial) -> str:
    """How a trial's network is loaded, as the end of a sentence and a block of code."""
    if trial.config.trainer != IMAGES:
        return f"`{LOAD_FILE}` loads it:\n\n```python\n{OWN_LOAD_LINE}\n```\n\n"
    return (
        "this loads it; it takes raw images, as the data set has them:"
        f"\n\n```python\n{LOAD_LINE}\n{PREDICT_LINE}\n```\n\n"
    )


def _network(config: TrialConfig) -> str:
    if config.trainer != IMAGES:
        return f"the network of trainer `{config.trainer}` are trained"
    return f"`{config.model}` are trained on `{config.dataset}`"


def _result(trial: StudyTrial) -> str:
    """How the trial ended, with its main numbers."""
    if trial.status in OPEN:
        return f"{trial.status} after {len(trial.rows)} epochs"
    parts = [f"{trial.status} after {len(trial.rows)} epochs" if trial.rows else trial.status]
    if trial.rows:
        parts.append(f"{trial.measure.words} {trial.accuracy:{trial.measure.spec}}")
    if trial.test_accuracy is not None:
        parts.append(f"test {trial.measure.noun} {trial.test_accuracy:{trial.measure.spec}}")
    if trial.facts is not None:
        parts.append(
            f"{trial.facts['trained_parameters']:,} of {trial.facts['parameters']:,} parameters trained"
        )
    if math.isfinite(trial.stored_bytes):
        parts.append(f"{trial.stored_bytes:,.0f} bytes stored")
    return ", ".join(parts) + (f" ({trial.reason})" if trial.reason else "")
