"""The declared keys of a trial's facts and metrics, as JSON values.

`Trial.facts` is a `Facts`, `EpochMetrics.row` a `MetricRow`. Writers and readers use the same types, so
that mypy finds a misspelt key, and the types say which values may be None.
"""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, cast

from cops_core.errors import listed


class MetricRow(TypedDict):
    """The metrics of an epoch, see `cops_core.train.EpochMetrics`.

    With `probes` a row also has a `gradient_norm.LAYER` for each layer. These names depend on the network
    and cannot be declared: use `values_of` to read them.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    train_seconds: float


def values_of(row: MetricRow) -> Mapping[str, float]:
    """All metrics of a row by name, the gradient norms of layers included."""
    return cast(Mapping[str, float], row)


class ConnectivityFacts(TypedDict):
    """What a mask leaves connected, see `cops_core.collapse.Connectivity`. None: unknown, then with why."""

    size: int
    kept: int
    live: int | None
    effective_density: float | None
    outputs: int | None
    live_outputs: int | None
    collapsed: bool | None
    empty_layers: list[str]
    dead_layers: list[str] | None
    disconnected_shortcuts: list[str] | None
    live_weights: dict[str, int] | None
    unknown: NotRequired[str]


class LayerCosts(TypedDict):
    """Multiply-adds of one image in one layer."""

    inference: int
    training: int


class Accounting(TypedDict):
    """What a network costs, see `cops_core.accounting.account`. `effective_density` only if it is known."""

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
    """A score in a manifest. Only members of the family have a name and the keys after it, see `Member`."""

    name: NotRequired[str]
    functional: NotRequired[str | None]
    p: NotRequired[float]
    r: NotRequired[float]
    form: NotRequired[str]


class Solution(TypedDict):
    """The certificate of a selection, see `cops_core.cops.CopsSolution`. None: not finite."""

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


class FloorFacts(TypedDict):
    """See `cops_core.config.Floor`."""

    count: int
    per: str


class StepsFacts(TypedDict):
    """See `cops_core.scores.Steps`."""

    count: int
    learning_rate: float


class RegrowFacts(TypedDict):
    """See `cops_core.config.Regrow`."""

    every: int
    fraction: float
    until: float


class SelectionManifest(TypedDict):
    """How a mask was selected, see `cops_core.trial_selection.select_weights`.

    Attributes:
        scores: By key, the target first.
        model_dtype: The type of the weights, e.g. `torch.float32`.
        convention: A key of `CONVENTIONS`.
        temperature: Of GraSP, if it is not that of its authors.
        steps: Of ProsPr, if they are not the default ones.
        prunable: A key of `PRUNABLE`.
        combine: A key of `cops_core.combine.COMBINATIONS`, if it is not `cops`.
        scope: `global`, or a key of `cops_core.densities.PROPORTIONS`.
        floor: The minimum of kept weights in each layer or for each output unit, if there is one.
        rounds: The number of rounds.
        schedule: A key of `PRUNING_SCHEDULES`.
        revive: Whether removed weights could come back.
        ablation: A key of `MASK_ABLATIONS`.
        at: `trained` if the trained network was scored.
        rewind: Which weights are then trained with the mask, see `cops_core.config.Selection`.
        kappas: The number of kept weights after each round.
        sample_indices: Positions of the images of each round in the data set, one batch after the other.
        samples_per_class: Images of one batch, divided by the number of classes.
        batches: The number of batches whose gradients are averaged, if it is not 1.
        class_balanced: Whether the batch has the same number of images of each class.
        augmentation: Of the batch: none.
        batch_sha256: SHA-256 of each round's batch or batches.
        data_sha256: SHA-256 of the data set.
        theta0_sha256: SHA-256 of the initial weights.
        seed: The trial's.
        numerics_version: `SCORES_VERSION`.
        extensions: Names and SHA-256 of plugins.
        solutions: By group of weights with a common budget, `global` or a layer's name. A union has none.
        price_of_control: By the same groups.
        regrow: How the mask changes during the training, if it does, see `cops_core.config.Regrow`.
    """

    scores: dict[str, ScoreDescription]
    model_dtype: str
    convention: str
    temperature: NotRequired[float]
    steps: NotRequired[StepsFacts]
    prunable: str
    combine: NotRequired[str]
    scope: str
    floor: NotRequired[FloorFacts]
    rounds: int
    schedule: str
    revive: bool
    ablation: str
    at: NotRequired[str]
    rewind: NotRequired[int | str]
    kappas: list[int]
    sample_indices: list[list[int]]
    samples_per_class: int
    batches: NotRequired[int]
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
    regrow: NotRequired[RegrowFacts]


class UnusableScore(TypedDict):
    """A score that cannot be computed for a network, see `cops_core.contracts.trials`.

    `score` is the kind of score: a name in `SCORES`, or a functional of the family.
    """

    dataset: str
    model: str
    precision: str
    score: str
    convention: str
    reason: str


class DrawnWeights(TypedDict):
    """The initial weights of a network that the project draws, see `cops_core.initialization`.

    `weights` are their names and `drawn` their number. `others` is the number of all other parameters, which
    keep the values that the network's code gives them.
    """

    dataset: str
    model: str
    initialization: str
    weights: list[str]
    drawn: int
    others: int


def drawn_in_words(found: DrawnWeights) -> str:
    """Which initial weights of a network are drawn, in one line.

    Args:
        found: Of the network.

    Returns:
        E.g. `xavier_normal draws the 640 weights of layer.weight; 10 other parameters start as ...`.
    """
    return (
        f"{found['initialization']} draws the {found['drawn']:,} weights of {listed(found['weights'])},"
        f" whatever the network's code sets; its {found['others']:,} other parameters start as it sets them"
    )


class Machine(TypedDict):
    """The machine on which a trial ran, see `cops_core.machine.machine`."""

    threads: int
    device: str
    gpu: str
    cpu: str
    capability: str
    torch: str


class TrainingBeforeMask(TypedDict):
    """What was trained before the mask was chosen, see `cops_core.prior_training`.

    All but `seconds` and `cached` follow from the configuration and the data.

    Attributes:
        trainings: The number of trainings: of the dense network, and between rounds.
        epochs: Of all of them together.
        steps: Of the optimizer.
        multiply_adds: Of all steps, see `Accounting.training_multiply_adds`.
        seconds: Time for all steps, also of those that another trial has done.
        cached: How many trainings were read from the cache.
    """

    trainings: int
    epochs: int
    steps: int
    multiply_adds: int
    seconds: float
    cached: int


class Facts(TypedDict):
    """The facts of a trial, see `cops_core.trial.Trial`. None where the dense network has no mask.

    Attributes:
        density: The kept fraction, in (0, 1].
        kept_weights: kappa.
        parameters: The number of all parameters.
        trained_parameters: The number of trained parameters.
        compression: parameters / trained_parameters.
        layer_densities: The kept fraction of each layer, in [0, 1], from the first step to the last.
        connectivity: Which kept weights are connected, before the training.
        data_sha256: SHA-256 of the data set.
        theta0_sha256: SHA-256 of the initial weights.
        mask_sha256: SHA-256 of the mask, before the training.
        manifest: How the mask was selected.
        scores_computed: How often each score was computed, by its key.
        scores_cached: How often each score was read from the cache, by its key.
        seconds: Time for each part of the preparation: data, model, scoring with what is trained before.
        accounting: What the network costs.
        before_mask: What was trained before the mask was chosen, if anything was.
        final_scale: The factor of theta0 outside the mask after the last epoch.
        final_mask_sha256: If the mask changes during the training: SHA-256 of the mask after the last epoch.
        grown_weights: Likewise, how many of its weights are not in the mask before the training.
        final_connectivity: Likewise, which of its weights are connected.
        test_accuracy: In [0, 1], after the last epoch of a configuration with `test`.
        at_chance: Whether the last validation accuracy may be that of guessing (see `cops_core.chance`).
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
    before_mask: NotRequired[TrainingBeforeMask]
    final_scale: NotRequired[float]
    final_mask_sha256: NotRequired[str]
    grown_weights: NotRequired[int]
    final_connectivity: NotRequired[ConnectivityFacts]
    test_accuracy: NotRequired[float]
    at_chance: NotRequired[bool]
