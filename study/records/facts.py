"""What a trial's record contains besides its own facts: where it ran, and where its network is stored."""

from typing import TypedDict

from cops_core.facts import Facts, Machine


class TrialLocation(TypedDict):
    """Where a trial ran.

    Attributes:
        host: The name of the machine.
        node_id: Ray's identifier of the node.
        gpus: The trial's share of a GPU, or its number of GPUs.
        visible_gpus: The GPUs of the node that the trial could use.
        resumed_after: The number of epochs that a checkpoint already contained.
    """

    host: str
    node_id: str
    gpus: float
    visible_gpus: str
    resumed_after: int


class Artifact(TypedDict):
    """The file of a trained network.

    Attributes:
        file: Its name in the study's folder.
        sha256: SHA-256 of its content.
    """

    file: str
    sha256: str


class KeptNetwork(TypedDict, total=False):
    """The trained network, or why it could not be stored. Empty before the trial's end.

    Attributes:
        artifact: The file of the network.
        artifact_missing: Why there is no file.
    """

    artifact: Artifact
    artifact_missing: str


class TrialFacts(Facts, KeptNetwork):
    """What a worker reports about its trial: `Facts`, and what only a study knows.

    Attributes:
        plugins: SHA-256 of the plugins, by name.
        machine: What bit-for-bit results depend on.
        placed: Where the trial ran.
    """

    plugins: dict[str, str]
    machine: Machine
    placed: TrialLocation
