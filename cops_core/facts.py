"""What a trial says about itself, as JSON values: the declared keys of its facts and of its metrics.

`Trial.facts` is a `Facts`, `EpochMetrics.row` a `MetricRow`. Whoever keeps or reads them names the same
types, so that a misspelt key is an error of mypy, and no reader guesses what may be None.
"""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, cast


class MetricRow(TypedDict):
    """The metrics of an epoch, see `cops_core.train.EpochMetrics`.

    With `probes` a row also has a `gradient_norm.LAYER` for each layer. The layers are the network's, so
    these names cannot be declared: `values_of` gives all metrics alike.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    train_seconds: float


def values_of(row: MetricRow) -> Mapping[str, float]:
    """All metrics of a row by name, those included that are called after a layer."""
    return cast(Mapping[str, float], row)


class ConnectivityFacts(TypedDict):
    """What a mask leaves connected, see `cops_core.collapse.Connectivity`."""

    size: int
    kept: int
    live: int
    effective_density: float
    outputs: int
    live_outputs: int
    collapsed: bool
    empty_layers: list[str]
    dead_layers: list[str]
    disconnected_shortcuts: list[str]
    live_weights: dict[str, int]


class LayerCosts(TypedDict):
    """Multiply-adds of one image in one layer."""

    inference: int
    training: int


class Accounting(TypedDict):
    """What a network costs, see `cops_core.accounting.account`. effective_density: only with a mask."""

    parameters: int
    trained_parameters: int
    stored_parameters: int
    factor: float
    artifact_bytes: int
    dense_bytes: int
    bytes_factor: float
    mask_bytes: int
    mask_entropy_bytes: float
    inference_multiply_adds: int
    training_multiply_adds: int
    dense_inference_multiply_adds: int
    dense_training_multiply_adds: int
    layers: dict[str, LayerCosts]
    effective_density: NotRequired[float]


class ScoreTraits(TypedDict):
    """How a score is computed, see `cops_core.scores.base.Traits`."""

    needs_data: bool
    needs_second_derivative: bool
    normalisation: Literal["train", "eval", "unused"]
    precision: Literal["model", "float64"]
    signed: bool


class ScoreDescription(ScoreTraits):
    """A score of a manifest. name and what follows: only of a member of the family, see `Member`."""

    name: NotRequired[str]
    functional: NotRequired[str | None]
    p: NotRequired[float]
    r: NotRequired[float]
    form: NotRequired[str]


class Solution(TypedDict):
    """What proves a selection, see `cops_core.cops.CopsSolution`. None: not finite."""

    status: str
    value: float | None
    dual_bound: float | None
    gap: float | None
    threshold: float | None
    shrunk: float | None
    multipliers: list[float | None]
    controls: list[float | None]
    levels: list[float | None]
    slacks: list[float | None]


class PricePoint(TypedDict):
    """What target and controls keep at a level, and the multipliers. None: not finite."""

    level: float
    target: float | None
    controls: list[float | None]
    multipliers: list[float | None]
    shrunk: float | None
    status: str


class SelectionManifest(TypedDict):
    """How a mask was chosen, see `cops_core.select.select_weights`.

    scores: by key, the target first. sample_indices: of the images of each round's batch.
    solutions, price_of_control: by the weights that share a budget, `global` or a layer.
    """

    scores: dict[str, ScoreDescription]
    model_dtype: str
    convention: str
    prunable: str
    scope: str
    rounds: int
    schedule: str
    revive: bool
    ablation: str
    kappas: list[int]
    sample_indices: list[list[int]]
    samples_per_class: int
    class_balanced: bool
    augmentation: str
    batch_sha256: list[str]
    data_sha256: str
    theta0_sha256: str
    seed: int
    numerics_version: int
    extensions: dict[str, str]
    solutions: dict[str, Solution]
    price_of_control: dict[str, list[PricePoint]]


class Machine(TypedDict):
    """What a trial ran on, see `cops_core.machine.machine`."""

    threads: int
    device: str
    gpu: str
    cpu: str
    capability: str
    torch: str


class Facts(TypedDict):
    """What was built, see `cops_core.trial.Trial`. None: the dense network has no mask.

    seconds: spent on each part of the preparation (data, model, scoring). final_scale: after the last
    epoch. test_accuracy: in [0, 1], after the last epoch of a configuration with `test`.
    """

    density: float
    kept_weights: int | None
    parameters: int
    trained_parameters: int
    compression: float
    layer_densities: dict[str, float] | None
    connectivity: ConnectivityFacts | None
    data_sha256: str
    theta0_sha256: str
    mask_sha256: str | None
    manifest: SelectionManifest | None
    scores_computed: dict[str, int]
    scores_cached: dict[str, int]
    seconds: dict[str, float]
    accounting: Accounting
    final_scale: NotRequired[float]
    test_accuracy: NotRequired[float]
