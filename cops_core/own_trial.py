"""A trial of one's own: a plugin's trainer trains a network that is initialised, masked and audited here."""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import nn

from cops_core.ablation import reinitialized
from cops_core.accounting import account
from cops_core.arms import scale_of
from cops_core.artifact.fingerprint import fingerprint
from cops_core.cache import ScoreCache
from cops_core.collapse import Connectivity
from cops_core.config import TrialConfig
from cops_core.construction import construct
from cops_core.data import ImageData
from cops_core.errors import InputError
from cops_core.facts import Accounting, ConnectivityFacts, Facts, MetricRow
from cops_core.freeze_net import FreezeNet
from cops_core.generators import reseed_own, seeded_generators
from cops_core.library.candidates import candidates
from cops_core.library.file import load, save
from cops_core.library.initialize import initialize
from cops_core.library.select import scored_weights
from cops_core.mask import Mask
from cops_core.placement import use_device
from cops_core.scores.batches import batches_of
from cops_core.scoring import Scorer
from cops_core.trainers import (
    IMAGES,
    OWN_METRICS,
    CustomTrainer,
    ModelPart,
    check_state,
    check_value,
    sample_losses_of,
    trainer_of,
)
from cops_core.trial import DEFAULT_DATA_ROOT, FINAL_FACTS, Status, Trial, reproducible
from cops_core.trial_selection import SampledBatches, SelectionResult, select_on
from cops_core.trial_state import (
    Resumable,
    check_origin,
    config_hash,
    not_a_state,
    read_state,
    written_state,
)

UNKNOWN_PATHS = "the network of a trainer of one's own is not followed"
WORDS = ("trainer",)


@dataclass(frozen=True)
class EpochReport:
    """The metrics of an epoch.

    Attributes:
        values: By name: `epoch`, what the trainer reports, its measure, `train_seconds`.
    """

    values: Mapping[str, float]

    def row(self) -> MetricRow:
        """The metrics for a trial's record."""
        return cast(MetricRow, dict(self.values))


class OwnTrial(Resumable):
    """One trial with a trainer of one's own, one epoch at a time.

    A network through which nothing flows is trained, since it is not followed: it never ends as collapsed.

    Args:
        config: The trial's configuration, with a density unless it is dense.
        device: `cpu`, `cuda`, or e.g. `cuda:1`.
        cache: Where scores are kept; None computes them.
        extensions: Names and SHA-256 of plugins, to which the trainer belongs.

    Attributes:
        config: The configuration.
        status: "running", or how the trial ended.
        history: The metrics of every epoch so far.
        facts: As of `cops_core.trial.Trial`. Costs are those of the loss of the first scoring batch.
        trainer: The trainer.
        network: The network, masked.

    Raises:
        InputError: A configuration that cannot be built, or a device that does not exist.
        InfeasibleError: No mask meets all levels, and the selection's `if_infeasible` is "end".
    """

    def __init__(
        self,
        config: TrialConfig,
        *,
        device: str = "cpu",
        cache: ScoreCache | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> None:
        if config.trainer == IMAGES:
            raise InputError("this configuration has no trainer of its own: use cops_core.trial.Trial")
        if config.arm != "dense" and config.density is None:
            raise InputError("density is missing: write the kept fraction, e.g. density='0.01'")
        self.config = config
        self.extensions = dict(extensions or {})
        self.device = use_device(device)
        self.status: Status = "running"
        self.history: list[EpochReport] = []
        with reproducible():
            self._prepare(cache)

    def _prepare(self, cache: ScoreCache | None) -> None:
        config, clock = self.config, [time.perf_counter()]
        self.trainer = trainer_of(
            config.trainer,
            config.settings,
            seed=config.seed,
            epochs=config.training.epochs,
            device=self.device,
        )
        with self._drawing("data"):
            data_sha256 = self.trainer.data_sha256()
        clock.append(time.perf_counter())
        model = initial_model(self.trainer, config.seed, config.initialization)
        theta0_sha256 = fingerprint(model)
        total = sum(parameter.numel() for parameter in model.parameters())
        model.to(self.device)
        clock.append(time.perf_counter())
        scorer = self._scorer(model, theta0_sha256, cache)
        selected = self._select(scorer, data_sha256)
        mask = None if selected is None else selected.mask
        unknown = None if mask is None else _not_followed(mask)
        self.network = FreezeNet(model, mask, scale_of(config))
        if config.selection is not None and mask is not None and config.selection.ablation == "reinitialize":
            self.network.start_from(reinitialized(mask, config.seed, config.initialization))
        with self._drawing("scoring batches"):
            self._batch = batches_of(self.trainer.scoring_batches(1))[0]
        clock.append(time.perf_counter())
        with self._drawing("start"):
            self.trainer.start(model)
        trained = self.network.trained_parameters
        self.facts: Facts = {
            "density": 1.0 if config.density is None else float(config.density),
            "kept_weights": None if mask is None else mask.kappa,
            "parameters": total,
            "trained_parameters": trained,
            "compression": total / trained,
            "layer_densities": None if mask is None else mask.densities(),
            "connectivity": unknown,
            "data_sha256": data_sha256,
            "theta0_sha256": theta0_sha256,
            "mask_sha256": None if mask is None else mask.sha256(),
            "manifest": None if selected is None else selected.manifest,
            "scores_computed": scorer.computed,
            "scores_cached": scorer.cached,
            "seconds": {
                name: later - earlier
                for name, earlier, later in zip(("data", "model", "scoring"), clock, clock[1:], strict=False)
            },
            "accounting": self._account(len(self._packed()), unknown),
        }

    def _scorer(self, model: nn.Module, theta0_sha256: str, cache: ScoreCache | None) -> Scorer:
        config, selection = self.config, self.config.selection
        names = None if selection is None else scored_weights(candidates(model), selection)
        return Scorer(
            model,
            config.seed,
            theta0_sha256,
            "paper" if selection is None else selection.convention,
            self.extensions,
            cache,
            # The plugin's hash has the code, of the network and of the loss.
            network_sha256=_sha256([config.trainer, config.settings]) if self.extensions else None,
            weight_names=None if names is None else frozenset(names),
            loss=self.trainer.loss,
            sample_losses=sample_losses_of(self.trainer),
        )

    def _select(self, scorer: Scorer, data_sha256: str) -> SelectionResult | None:
        selection, density = self.config.selection, self.config.density
        if selection is None or density is None:
            return None
        batches = []
        for round_ in range(1, selection.rounds + 1) if selection.fresh_batches else (1,):
            with self._drawing("scoring batches", round_):
                batches.append(batches_of(self.trainer.scoring_batches(round_)))
        return select_on(scorer, SampledBatches(batches=batches, data_sha256=data_sha256), selection, density)

    def _drawing(self, *purpose: str | int) -> Any:
        """A context in which the global generators are at a stream of the seed."""
        return seeded_generators(self.config.seed, *WORDS, *purpose, devices=[self.device])

    @property
    def metrics(self) -> EpochReport | None:
        """The last epoch's metrics; None before the first epoch."""
        return self.history[-1] if self.history else None

    @property
    def done(self) -> bool:
        """Whether the trial has ended."""
        return self.status != "running"

    def step(self) -> EpochReport:
        """Train one epoch and evaluate the validation part. A number that is not finite ends the trial.

        Returns:
            The epoch's metrics.

        Raises:
            RuntimeError: The trial has ended.
            InputError: The trainer returned something else than metrics.
            DriftError: A weight outside the mask has changed.
        """
        if self.done:
            raise RuntimeError(f"this trial has ended: {self.status}")
        epoch, measure = len(self.history) + 1, self.config.measure
        model = self.network.model
        started = time.perf_counter()
        with reproducible():
            reseed_own(model, self.config.seed, *WORDS, "epoch", epoch)
            with self._drawing("epoch", epoch):
                model.train()
                found = _reported(self.trainer.train_epoch(epoch), measure.name)
        self.network.check_parameters()
        seconds = time.perf_counter() - started
        value = self._evaluated("validation", epoch)
        diverged = not all(map(math.isfinite, (*found.values(), value)))
        report = EpochReport(
            {
                "epoch": epoch,
                **found,
                measure.name: value if math.isfinite(value) else measure.worst,
                "train_seconds": seconds,
            }
        )
        self.history.append(report)
        if diverged:
            self.status = "diverged"
        elif epoch == self.config.training.epochs:
            self.status = "finished"
        if self.done:
            self.network.audit(self.config.seed, self.config.initialization)
            self.facts["final_scale"] = self.network.scale
            if self.config.test:
                self.facts["test_accuracy"] = self._evaluated("test", epoch)
        return report

    def _evaluated(self, part: ModelPart, epoch: int) -> float:
        with reproducible(), self._drawing("evaluation", epoch):
            return evaluated(self.trainer, self.network.model, part)

    def artifact(self) -> bytes:
        """The current network as a file of `cops_core.save`; updates the costs in `facts`."""
        packed = self._packed()
        self.facts["accounting"] = self._account(len(packed), self.facts["connectivity"])
        return packed

    def _packed(self) -> bytes:
        with TemporaryDirectory(prefix="cops-network-") as folder:
            file = Path(folder) / "network.safetensors"
            save(self.network.model, file)
            return file.read_bytes()

    def _account(self, artifact_bytes: int, connected: ConnectivityFacts | None) -> Accounting:
        def run(model: nn.Module) -> object:
            return self.trainer.loss(model, self._batch)

        return account(self.network, run, artifact_bytes, connected)

    @property
    def _origin(self) -> list[str | None]:
        """The SHA-256 of the initial values and of the mask."""
        return [self.facts["theta0_sha256"], self.facts["mask_sha256"]]

    def state(self) -> bytes:
        """All that the trial needs to resume on another machine: tensors and plain values.

        Raises:
            InputError: The trainer's state has other values, which would be lost.
        """
        own = dict(self.trainer.state())
        check_state(own)
        content = {
            "config": config_hash(self.config),
            "origin": self._origin,
            "status": self.status,
            "history": [dict(report.values) for report in self.history],
            "final_facts": {name: self.facts[name] for name in FINAL_FACTS if name in self.facts},
            "network": self.network.state(),
            "trainer": own,
        }
        return written_state(content)

    def load_state(self, content: bytes) -> None:
        """Resume from the state of a trial with the same configuration, as if never interrupted.

        Args:
            content: What `state` returned.

        Raises:
            InputError: The bytes are not a state, or that of another configuration or network. The trial is
                unchanged.
        """
        try:
            state = read_state(content, self.device)
            belongs = state["config"] == config_hash(self.config)
            fits = state["origin"] == self._origin and self.network.fits(state["network"])
            history = [EpochReport(values) for values in state["history"]]
            status, facts, own = state["status"], state["final_facts"], state["trainer"]
        except Exception as error:  # torch may raise anything for a file that it did not write
            raise not_a_state(error) from error
        check_origin(belongs=belongs, fits=fits)
        self.network.load_state(state["network"])
        self.trainer.load_state(own)
        self.status, self.history = status, history
        self.facts |= facts


AnyTrial = Trial | OwnTrial


def start_trial(
    config: TrialConfig,
    *,
    data: ImageData | None = None,
    data_root: Path = DEFAULT_DATA_ROOT,
    device: str = "cpu",
    cache: ScoreCache | None = None,
    extensions: Mapping[str, str] | None = None,
) -> AnyTrial:
    """The trial of any configuration, ready for its first epoch.

    Args:
        config: With a trainer of one's own, or without.
        data: See `Trial`, as for all that follow; not used by a trainer of one's own.
        data_root: The folder for downloads.
        device: Where it is trained.
        cache: Where scores are kept.
        extensions: Names and SHA-256 of plugins.

    Raises:
        InputError: See `Trial`.
        InfeasibleError: See `Trial`.
    """
    if config.trainer != IMAGES:
        return OwnTrial(config, device=device, cache=cache, extensions=extensions)
    return Trial(config, data=data, data_root=data_root, device=device, cache=cache, extensions=extensions)


def initial_model(trainer: CustomTrainer, seed: int, initialization: str) -> nn.Module:
    """A trainer's network with theta0 as its values, on the CPU.

    Args:
        trainer: The trainer.
        seed: The trial's, in [0, 2**32).
        initialization: A key of `INITIALIZATIONS`.

    Returns:
        The network.

    Raises:
        InputError: What `build` returns is not a network, or has nothing to draw.
    """
    model = construct(trainer.build, (), seed)
    if not isinstance(model, nn.Module):
        raise InputError(f"build returns {type(model).__name__}: return a torch.nn.Module")
    initialize(model, seed, initialization)
    return model


def evaluated(trainer: CustomTrainer, model: nn.Module, part: ModelPart) -> float:
    """The measure of a network on a part of the data.

    Args:
        trainer: The trainer.
        model: The network, on the trainer's device.
        part: Of the data.

    Returns:
        The value; it may be not finite.

    Raises:
        InputError: It is not a number, or is below 0.
    """
    name = trainer.measure.name
    model.eval()
    with torch.no_grad():
        value = check_value(name, trainer.evaluate(model, part))
    if value < 0:
        raise InputError(f"{name} is {value}: return a number of at least 0, e.g. a loss with 'minimize'")
    return value


def evaluate_stored(config: TrialConfig, content: bytes, part: ModelPart, *, device: str = "cpu") -> float:
    """The measure of a trial's stored network on a part of the data.

    Args:
        config: The trial's configuration.
        content: What `OwnTrial.artifact` returned.
        part: Of the data.
        device: See `OwnTrial`.

    Returns:
        The value.

    Raises:
        InputError: The network cannot be loaded, or the value is not a number.
    """
    place = use_device(device)
    trainer = trainer_of(
        config.trainer, config.settings, seed=config.seed, epochs=config.training.epochs, device=place
    )
    with TemporaryDirectory(prefix="cops-network-") as folder:
        file = Path(folder) / "network.safetensors"
        file.write_bytes(content)
        model = load(file, lambda: construct(trainer.build, (), config.seed)).to(place)
    purpose = (*WORDS, "evaluation", config.training.epochs)
    with reproducible(), seeded_generators(config.seed, *purpose, devices=[place]):
        return evaluated(trainer, model, part)


def _reported(metrics: object, measure: str) -> dict[str, float]:
    """What a trainer reports for an epoch, as numbers."""
    if not isinstance(metrics, Mapping):
        raise InputError(
            f"train_epoch returns {type(metrics).__name__}: return metrics, e.g. {{'train_loss': 1.2}}"
        )
    for name in metrics:
        if not isinstance(name, str) or name in (*OWN_METRICS, measure):
            raise InputError(f"train_epoch returns the metric {name!r}: the trial sets it, leave it out")
    return {name: check_value(name, value) for name, value in metrics.items()}


def _not_followed(mask: Mask) -> ConnectivityFacts:
    counts = {name: int(layer.sum()) for name, layer in mask.items()}
    return Connectivity(
        size=sum(layer.numel() for layer in mask.values()),
        kept=sum(counts.values()),
        empty_layers=tuple(name for name, count in counts.items() if not count),
        unknown=UNKNOWN_PATHS,
    ).facts()


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
