"""What the record of a trial holds beside the trial's own facts: where it ran, and where its network is."""

from typing import TypedDict

from cops_core.facts import Facts, Machine


class TrialLocation(TypedDict):
    """Where a trial ran. gpus: its share. visible_gpus: what of its node it could see.

    resumed_after: epochs that a checkpoint spared it.
    """

    host: str
    node_id: str
    gpus: float
    visible_gpus: str
    resumed_after: int


class Artifact(TypedDict):
    """The trained network. file: its name in the study's folder. sha256: of the file's content."""

    file: str
    sha256: str


class KeptNetwork(TypedDict, total=False):
    """Where the trained network is kept, or why it could not be. Empty before the trial's end."""

    artifact: Artifact
    artifact_missing: str


class TrialFacts(Facts, KeptNetwork):
    """What a worker reports of its trial: `Facts`, and what only a study knows. plugins: their SHA-256."""

    plugins: dict[str, str]
    machine: Machine
    placed: TrialLocation
