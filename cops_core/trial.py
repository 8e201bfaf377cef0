"""A trial: configuration in, metrics out. It runs in a plain Python shell as in a cluster.

from pathlib import Path
from cops_core.config import Selection, TrialConfig
from cops_core.trial import run_trial

config = TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01")
result = run_trial(config, report=print)
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from cops_core.ablation import reinitialized
from cops_core.accounting import account
from cops_core.arms import scale_of
from cops_core.artifact import header_of, pack
from cops_core.cache import ScoreCache
from cops_core.chance import at_chance
from cops_core.collapse import connectivity
from cops_core.config import TrialConfig
from cops_core.data import ImageData, load_data, split_once
from cops_core.errors import InputError
from cops_core.facts import Accounting, ConnectivityFacts, Facts
from cops_core.folders import user_cache
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initial_network
from cops_core.models import build_model
from cops_core.models.packages import package_extensions
from cops_core.network_identity import network_sha256
from cops_core.placement import use_device
from cops_core.prior_training import PriorTraining
from cops_core.scoring import Scorer
from cops_core.train import DTYPES, EpochMetrics, Trainer
from cops_core.trial_selection import select_weights
from cops_core.trial_state import (
    Resumable,
    check_origin,
    config_hash,
    not_a_state,
    read_state,
    written_state,
)
from cops_core.whole_file import write_whole

Status = Literal["running", "finished", "diverged", "collapsed"]
# Facts that exist only after the last epoch.
FinalFact = Literal[
    "final_scale", "final_mask_sha256", "grown_weights", "final_connectivity", "test_accuracy", "at_chance"
]
FINAL_FACTS: tuple[FinalFact, ...] = get_args(FinalFact)
DEFAULT_DATA_ROOT = user_cache("data")


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
        status: How it ended.
        metrics: The last epoch's.
        facts: See `Trial`.
    """

    status: Status
    metrics: EpochMetrics
    facts: Facts


class Trial(Resumable):
    """One trial, one epoch at a time.

    A pruned network through which nothing flows (`collapsed`) is a result, not an error: its only report has
    epoch 0 and the accuracy of guessing. A frozen network without flow is trained, and so is one whose mask
    changes: it may be connected later.

    Args:
        config: The trial's configuration, with a density unless it is dense.
        data: The configuration's data set if it is already loaded; None loads it from `data_root`.
        data_root: The folder for downloads.
        device: `cpu`, `cuda`, or e.g. `cuda:1`.
        cache: Where scores are kept; None computes them.
        extensions: Names and SHA-256 of plugins, to which scores or the model may belong.

    Attributes:
        config: The configuration.
        status: "running", or how the trial ended.
        history: The metrics of every epoch so far.
        facts: What was built, as JSON values: counts of parameters, densities per layer, connectivity,
            hashes, the scoring manifest, which scores were computed and which were read from the cache, the
            costs, seconds for each part of the preparation (see `cops_core.facts.Facts`).
        trainer: The training loop with the network.
        disconnected: Whether the network is pruned and nothing flows through it.

    Raises:
        InputError: A configuration that cannot be built, or a device that does not exist.
        InfeasibleError: No mask meets all levels, and the selection's `if_infeasible` is "end".
        DivergedError: A training before the mask had a loss that is not finite.
    """

    def __init__(
        self,
        config: TrialConfig,
        *,
        data: ImageData | None = None,
        data_root: Path = DEFAULT_DATA_ROOT,
        device: str = "cpu",
        cache: ScoreCache | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> None:
        if config.arm != "dense" and config.density is None:
            raise InputError("density is missing: write the kept fraction, e.g. density='0.01'")
        self.config = config
        self.extensions = {**(extensions or {}), **package_extensions(config.model)}
        self.device = use_device(device)
        self.status: Status = "running"
        self.history: list[EpochMetrics] = []
        with reproducible():
            self._prepare(data or load_data(config.dataset, data_root), cache)

    def _prepare(self, data: ImageData, cache: ScoreCache | None) -> None:
        config = self.config
        clock = [time.perf_counter()]
        on_cpu = split_once(data, config.seed, config.validation_fraction)
        split = on_cpu.to(self.device)
        clock.append(time.perf_counter())
        model, theta0_sha256 = initial_network(
            config.model,
            split.data.shape,
            split.data.classes,
            config.seed,
            config.initialization,
            DTYPES[config.training.precision],
        )
        total = sum(parameter.numel() for parameter in model.parameters())
        model.to(self.device)
        clock.append(time.perf_counter())
        selection, selected, mask, connected = config.selection, None, None, None
        convention = "paper" if selection is None else selection.convention
        scorer = Scorer(model, config.seed, theta0_sha256, convention, self.extensions, cache)
        if selection is not None:
            scorer.temperature = selection.temperature
            scorer.steps = selection.steps
        if selection is not None and cache is not None:
            scorer.network_sha256 = network_sha256(config.model, split.data.shape, split.data.classes)
        prior = None
        if selection is not None and selection.at == "trained":
            prior = PriorTraining(
                config,
                split,
                theta0_sha256=theta0_sha256,
                network_sha256=scorer.network_sha256,
                extensions=self.extensions,
                cache=cache,
            )
            # The names of the cache's entries say nothing about trained weights.
            scorer.model, scorer.cache = prior.model, None
        if selection is not None and config.density is not None:
            retrain = None if prior is None else prior.retrain
            selected = select_weights(scorer, split, selection, config.density, retrain)
            mask = selected.mask
            connected = connectivity(model, split.data.shape, mask)
        scale = scale_of(config)
        regrow = None if selection is None else selection.regrow
        self.disconnected = (
            connected is not None and connected.collapsed is True and scale.start == 0 and regrow is None
        )
        if prior is not None:
            prior.rewind(model)
        network = FreezeNet(model, mask, scale)
        if selection is not None and mask is not None and selection.ablation == "reinitialize":
            network.start_from(reinitialized(mask, config.seed, config.initialization))
        clock.append(time.perf_counter())
        self.trainer = Trainer(network, split, config.training, config.seed, regrow=regrow)
        self.trainer.begin_after(0 if selection is None else selection.rewound_epochs)
        self._start: Mapping[str, Tensor] = mask or {}
        trained = network.trained_parameters
        connected_facts = None if connected is None else connected.facts()
        mask_sha256 = None if mask is None else mask.sha256()
        self._header = header_of(config, split, theta0_sha256, mask_sha256, self.extensions)
        self.facts: Facts = {
            "density": 1.0 if config.density is None else float(config.density),
            "kept_weights": None if mask is None else mask.kappa,
            "parameters": total,
            "trained_parameters": trained,
            "compression": total / trained,
            "layer_densities": None if mask is None else mask.densities(),
            "connectivity": connected_facts,
            "data_sha256": split.data.sha256,
            "theta0_sha256": theta0_sha256,
            "mask_sha256": mask_sha256,
            "manifest": None if selected is None else selected.manifest,
            "scores_computed": scorer.computed,
            "scores_cached": scorer.cached,
            "seconds": dict(zip(("data", "model", "scoring"), _differences(clock), strict=True)),
            # The artefact has the same size before and after training, and so have the costs, unless the mask
            # changes.
            "accounting": self._account(len(pack(network, self._header)), connected_facts),
        }

        if prior is not None:
            self.facts["before_mask"] = prior.facts

    @property
    def metrics(self) -> EpochMetrics | None:
        """The last epoch's metrics; None before the first epoch."""
        return self.history[-1] if self.history else None

    @property
    def done(self) -> bool:
        """Whether the trial has ended."""
        return self.status != "running"

    def step(self) -> EpochMetrics:
        """Train one epoch. A loss that is not finite ends the trial as diverged.

        Returns:
            The epoch's metrics.

        Raises:
            RuntimeError: The trial has ended.
            DriftError: A weight outside the mask has changed.
        """
        if self.done:
            raise RuntimeError(f"this trial has ended: {self.status}")
        if self.disconnected:
            return self._collapse()
        with reproducible():
            metrics = self.trainer.run_epoch()
        self.history.append(metrics)
        if metrics.diverged:
            self.status = "diverged"
        elif self.trainer.epoch == self.config.training.epochs:
            self.status = "finished"
        if self.status == "finished":
            labels = self.trainer.split.validation.labels
            self.facts["at_chance"] = at_chance(metrics.validation_accuracy, labels)
        if self.done:
            self.trainer.network.audit(self.config.seed, self.config.initialization)
            self.facts["final_scale"] = self.trainer.network.scale
            if self.trainer.regrow is not None:
                self._note_final_mask()
            if self.config.test:
                self.facts["test_accuracy"] = self._test()
        return metrics

    def _collapse(self) -> EpochMetrics:
        """The result of guessing, for a network whose output is the same for every image."""
        classes = self.trainer.split.data.classes
        self.status = "collapsed"
        self.facts["at_chance"] = True
        if self.config.test:
            self.facts["test_accuracy"] = 1 / classes
        metrics = EpochMetrics(
            epoch=0,
            train_loss=math.log(classes),
            validation_loss=math.log(classes),
            validation_accuracy=1 / classes,
            learning_rate=self.config.training.learning_rate,
            train_seconds=0.0,
        )
        self.history.append(metrics)
        return metrics

    def _note_final_mask(self) -> None:
        """Facts of a mask that has changed. Each layer keeps as many weights as at the start."""
        config, data, network = self.config, self.trainer.split.data, self.trainer.network
        mask = network.mask()
        # The paths depend on the mask alone, and are followed in a plain network.
        model = build_model(config.model, data.shape, data.classes, config.seed)
        self.facts["final_mask_sha256"] = mask.sha256()
        self.facts["grown_weights"] = sum(int((mask[n] & ~layer).sum()) for n, layer in self._start.items())
        self.facts["final_connectivity"] = connectivity(model, data.shape, mask).facts()

    def _test(self) -> float:
        """Accuracy on the test part, in [0, 1]."""
        with reproducible():
            return self.trainer.evaluate(self.trainer.split.test())[1]

    def artifact(self) -> bytes:
        """The current network as an artefact (see `cops_core.artifact`); updates the costs in `facts`."""
        header, connected = self._header, self.facts["connectivity"]
        if self.trainer.regrow is not None:
            header = header.model_copy(update={"mask_sha256": self.trainer.network.mask().sha256()})
            connected = self.facts.get("final_connectivity", connected)
        packed = pack(self.trainer.network, header)
        self.facts["accounting"] = self._account(len(packed), connected)
        return packed

    def _account(self, artifact_bytes: int, connected: ConnectivityFacts | None) -> Accounting:
        shape, dense = self.trainer.split.data.shape, self.trainer.dense_share
        return account(self.trainer.network, shape, artifact_bytes, connected, dense_share=dense)

    @property
    def _origin(self) -> list[str | None]:
        """The SHA-256 of theta0 and of the mask with which the training starts."""
        return [self.facts["theta0_sha256"], self.facts["mask_sha256"]]

    def state(self) -> bytes:
        """All that the trial needs to resume on another machine, its history included.

        The size is proportional to the number of trained parameters, not of all parameters. A mask that
        changes is a part of it.
        """
        content = {
            "config": config_hash(self.config),
            "origin": self._origin,
            "status": self.status,
            "history": [asdict(metrics) for metrics in self.history],
            "final_facts": {name: self.facts[name] for name in FINAL_FACTS if name in self.facts},
            **self.trainer.state(),
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
            # On another machine, or with another version of a user's network, these may come out differently.
            fits = state["origin"] == self._origin and self.trainer.fits(state)
            history = [EpochMetrics(**metrics) for metrics in state["history"]]
            status, facts = state["status"], state["final_facts"]
        except Exception as error:  # torch may raise anything for a file that it did not write
            raise not_a_state(error) from error
        check_origin(belongs=belongs, fits=fits)
        self.trainer.load_state(state)
        self.status, self.history = status, history
        self.facts |= facts


def run_trial(
    config: TrialConfig,
    report: Callable[[EpochMetrics], None],
    *,
    data_root: Path = DEFAULT_DATA_ROOT,
    device: str = "cpu",
    checkpoint: Path | None = None,
    cache: ScoreCache | None = None,
    artifact: Path | None = None,
) -> TrialResult:
    """Run a trial to its end.

    Args:
        config: The trial's configuration, with a density unless it is dense.
        report: Called with the metrics after each epoch.
        data_root: The folder for downloads.
        device: `cpu`, `cuda`, or e.g. `cuda:1`.
        checkpoint: Written after each epoch's report. If the file exists the trial resumes from it; an epoch
            that was reported after the last checkpoint is then reported again, with the same numbers.
        cache: Where scores are kept; None computes them.
        artifact: The file for the trained network, see `cops_core.artifact`.

    Returns:
        How the trial ended.

    Raises:
        InputError: A configuration that cannot be built.
        InfeasibleError: No mask meets all levels, and the selection's `if_infeasible` is "end".
        DivergedError: A training before the mask had a loss that is not finite.
    """
    trial = Trial(config, data_root=data_root, device=device, cache=cache)
    if checkpoint is not None and checkpoint.exists():
        trial.load(checkpoint)
    while not trial.done:
        report(trial.step())
        if checkpoint is not None:
            trial.save(checkpoint)
    if artifact is not None:
        write_whole(artifact, trial.artifact())
    return TrialResult(trial.status, trial.history[-1], trial.facts)


def reproducible() -> AbstractContextManager[None]:
    """A context in which cuDNN is deterministic: no TF32, no choice of algorithms by timing."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


def _differences(clock: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(clock)]
