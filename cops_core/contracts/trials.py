"""Checks of trials before they run: each network, score and arm, on a few images of its own data.

A study checks its configurations in this way before its first trial, since anybody's network, data and scores
can be in it. What is wrong with a network, its data or an arm is a failure. A score that cannot be computed
for one network is not: a space may propose it beside others that work.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.arms import scale_of
from cops_core.artifact import ArtifactError, header_of, load_artifact, pack
from cops_core.artifact.fingerprint import fingerprint
from cops_core.config import Training, TrialConfig
from cops_core.contracts.agreement import check_training
from cops_core.contracts.base import ContractError, require
from cops_core.data import ImageData, Split, split
from cops_core.errors import InputError, described, listed
from cops_core.facts import UnusableScore
from cops_core.freeze import FreezeNet
from cops_core.initialization import initial_network
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import AnyScore, compute_scores, kind_of
from cops_core.streams import stream
from cops_core.train import DTYPES, Trainer

SEED = 0
TRAIN_IMAGES, TEST_IMAGES, BATCH = 16, 4, 6
VALIDATION = Decimal("0.25")
STEPS = 4
LEARNING_RATE = 0.05
# With few kept weights linear layers use sparse products, with many they do not.
FEW, MANY = Decimal("0.1"), Decimal("0.5")


@dataclass
class TrialChecks:
    """What the checks of a network found.

    Attributes:
        failures: A line for each thing that is wrong.
        unusable: The scores that cannot be computed for the network.
        drawn: Which initial values the project draws, and how many stay as the network's code sets them.
    """

    failures: list[str] = field(default_factory=list)
    unusable: list[UnusableScore] = field(default_factory=list)
    drawn: str = ""


@dataclass(frozen=True)
class NetworkUse:
    """A network on a data set, as some configurations use it.

    Attributes:
        configs: The configurations; densities and levels do not matter.
    """

    configs: tuple[TrialConfig, ...]

    @property
    def config(self) -> TrialConfig:
        """The first of the configurations."""
        return self.configs[0]

    @property
    def name(self) -> str:
        """E.g. `lenet_300_100 on digits`."""
        return f"{self.config.model} on {self.config.dataset}"

    @cached_property
    def scores(self) -> dict[tuple[str, str], tuple[AnyScore, bool]]:
        """By convention and kind: a score, and whether it is computed on masked networks, too."""
        found: dict[tuple[str, str], tuple[AnyScore, bool]] = {}
        for selection in (config.selection for config in self.configs):
            for score in selection.scores if selection else ():
                key = (selection.convention, kind_of(score))  # type: ignore[union-attr]
                known, rounds = found.get(key, (score, False))
                found[key] = known, rounds or selection.rounds > 1  # type: ignore[union-attr]
        return found

    @cached_property
    def arms(self) -> dict[tuple[str, str], TrialConfig]:
        """A configuration for each arm."""
        return {(config.arm, str(config.scale)): config for config in self.configs}

    @property
    def key(self) -> str:
        """All that the checks depend on, apart from code, data and plugins."""
        scores = sorted([*key, str(masked)] for key, (_, masked) in self.scores.items())
        return json.dumps([*_network_of(self.config), scores, sorted(self.arms)])


def network_uses(configs: Iterable[TrialConfig]) -> list[NetworkUse]:
    """The networks that some configurations use, each with its configurations."""
    groups: dict[tuple[str, ...], list[TrialConfig]] = {}
    for config in configs:
        groups.setdefault(_network_of(config), []).append(config)
    return [NetworkUse(tuple(group)) for group in groups.values()]


def _network_of(config: TrialConfig) -> tuple[str, ...]:
    return config.dataset, config.model, config.initialization, config.training.precision


def check_network(use: NetworkUse, data: ImageData, extensions: Mapping[str, str]) -> TrialChecks:
    """Check a network with all scores and arms of its configurations.

    Args:
        use: The network.
        data: Its data set.
        extensions: Names and SHA-256 of plugins.

    Returns:
        What was found. If every configuration with a selection has an unusable score, this is a failure.
    """
    network, checks = _Network(use.config, data, extensions), TrialChecks()
    unfit = _failure(lambda: _fits(network, bool(use.scores)))
    if unfit:  # nothing else of it can be checked
        checks.failures.append(f"{use.name}: {unfit}")
        return checks
    checks.drawn = _drawn(network)
    for (convention, kind), (score, masked) in use.scores.items():
        reason = _failure(lambda c=convention, s=score, m=masked: _scored(network, s, c, masked=m))  # type: ignore[misc]
        if reason:
            checks.unusable.append(
                UnusableScore(
                    dataset=use.config.dataset,
                    model=use.config.model,
                    precision=use.config.training.precision,
                    score=kind,
                    convention=convention,
                    reason=reason,
                )
            )
    selected = [config for config in use.configs if config.selection is not None]
    if selected and all(unusable_score(config, checks.unusable) for config in selected):
        checks.failures += [f"{use.name}: {found['reason']}" for found in checks.unusable]
    for place, config in enumerate(use.arms.values()):
        for density in (FEW,) if place else (FEW, MANY):
            broken = _failure(lambda c=config, d=density: _trains(network, c, d))  # type: ignore[misc]
            if broken:
                checks.failures.append(f"{use.name}, arm {config.arm!r}: {broken}")
                break
    return checks


def unusable_score(config: TrialConfig, unusable: Iterable[UnusableScore]) -> UnusableScore | None:
    """The first unusable score that a configuration has; None if it has none."""
    if config.selection is None:
        return None
    kinds = {kind_of(score) for score in config.selection.scores}
    network = (config.dataset, config.model, config.training.precision, config.selection.convention)
    for found in unusable:
        where = (found["dataset"], found["model"], found["precision"], found["convention"])
        if where == network and found["score"] in kinds:
            return found
    return None


@dataclass(frozen=True)
class _Network:
    """A network with a few images of its data."""

    config: TrialConfig
    data: ImageData
    extensions: Mapping[str, str]

    @cached_property
    def split(self) -> Split:
        return split(_few(self.data), SEED, VALIDATION)

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        images, labels = next(self.split.train.batches(BATCH))
        return images.to(self.dtype), labels

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.config.training.precision]

    def build(self) -> tuple[nn.Module, str]:
        """The network with its initial weights, and their hash."""
        data, config = self.data, self.config
        return initial_network(
            config.model, data.shape, data.classes, SEED, config.initialization, self.dtype
        )


def _failure(check: Callable[[], None]) -> str:
    """Why a check fails, in one line; empty if it does not."""
    try:
        with torch.random.fork_rng():
            check()
    except (ContractError, InputError, ArtifactError) as error:
        return str(error)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        return described(error)
    return ""


def _few(data: ImageData) -> ImageData:
    """A few images of a data set, of different classes if possible."""
    order = torch.argsort(data.train_labels[: 100 * TRAIN_IMAGES], stable=True)
    places = order[torch.linspace(0, len(order) - 1, min(TRAIN_IMAGES, len(order))).long()]
    return replace(
        data,
        train_images=data.train_images[places],
        train_labels=data.train_labels[places],
        test_images=data.train_images[places[:TEST_IMAGES]],  # a search reads no test image
        test_labels=data.train_labels[places[:TEST_IMAGES]],
    )


def _fits(network: _Network, masked: bool) -> None:
    """The network has finite logits of the right shape for its images, each of its own image alone."""
    model, _ = network.build()
    images, _ = network.batch
    classes = network.data.classes
    with torch.no_grad():
        model.eval()
        logits, first = model(images.clone()), model(images[:2].clone())  # it may change its images
    require(isinstance(logits, Tensor), f"it returns {type(logits).__name__}, not a tensor of logits")
    shape, expected = tuple(logits.shape), (len(images), classes)
    require(shape == expected, f"its logits have the shape {shape}, not {expected}: return one per class")
    require(bool(logits.isfinite().all()), "its logits are not finite at its initial weights")
    close = torch.allclose(logits[:2], first, rtol=1e-3, atol=1e-4)
    require(close, "in eval mode its logits depend on the other images of a batch, or on a random draw")
    require(not masked or bool(maskable(model)), "it has no convolution or linear layer to select from")


def _drawn(network: _Network) -> str:
    """What is drawn of theta0; an author's own initialisation of these weights has no effect."""
    model, _ = network.build()
    weights = maskable(model)
    drawn = sum(weight.numel() for weight in weights.values())
    others = sum(parameter.numel() for parameter in model.parameters()) - drawn
    return (
        f"{network.config.initialization} draws the {drawn:,} weights of {listed(weights)};"
        f" {others:,} other parameters start as the network's code sets them"
    )


def _scored(network: _Network, score: AnyScore, convention: str, *, masked: bool) -> None:
    """The score can be computed, also on a masked network if there are rounds."""
    model, _ = network.build()
    compute_scores([score], model, network.batch, seed=SEED, convention=convention)
    if masked:
        mask = _mask(model, MANY)
        compute_scores([score], model, network.batch, seed=SEED, mask=mask, convention=convention)


def _mask(model: nn.Module, density: Decimal) -> Mask:
    """A random mask; each layer keeps at least one weight."""
    layers = {}
    for name, weight in maskable(model).items():
        order = torch.from_numpy(stream(SEED, "random score", name).permutation(weight.numel()))
        kept = max(1, int(density * weight.numel())) if weight.numel() else 0
        layers[name] = (order < kept).view(weight.shape)
    return Mask(layers)


def _trains(network: _Network, config: TrialConfig, density: Decimal) -> None:
    """An arm trains as a dense copy does, resumes from its state, and its artefact is the same network."""
    model, _ = network.build()
    trainer = _trainer(network, model, config, density)
    if config.arm != "dense":
        check_training(
            lambda: network.build()[0],
            _mask(model, density),
            scale_of(config),
            [network.batch] * STEPS,
            trainer.training,
        )
    resumed = _trainer(network, network.build()[0], config, density)
    trainer.run_epoch()
    resumed.load_state(_as_written(trainer.state()))
    one, other = trainer.run_epoch(), resumed.run_epoch()
    same = (one.train_loss, one.validation_loss) == (other.train_loss, other.validation_loss)
    require(
        same or one.diverged,
        "resumed from its state, it trains differently: keep all that changes in parameters and buffers",
    )
    trainer.network.audit(SEED, config.initialization)
    _artefact_is_the_network(network, trainer.network, config, density)


def _trainer(network: _Network, model: nn.Module, config: TrialConfig, density: Decimal) -> Trainer:
    training = Training(
        epochs=3,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        precision=network.config.training.precision,
    )
    mask = None if config.arm == "dense" else _mask(model, density)
    return Trainer(FreezeNet(model, mask, scale_of(config)), network.split, training, SEED)


def _as_written(state: dict[str, Any]) -> dict[str, Any]:
    """A state after it was written to a checkpoint and read again."""
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    read: dict[str, Any] = torch.load(buffer, weights_only=True)
    return read


def _artefact_is_the_network(
    network: _Network, trained: FreezeNet, config: TrialConfig, density: Decimal
) -> None:
    model, theta0 = network.build()
    mask = None if config.arm == "dense" else _mask(model, density)
    config = config.model_copy(update={"density": None if mask is None else density, "seed": SEED})
    mask_sha256 = None if mask is None else mask.sha256()
    header = header_of(config, network.split, theta0, mask_sha256, network.extensions)
    loaded = load_artifact(pack(trained, header), network.extensions, name="its artefact")
    require(
        fingerprint(loaded.model) == fingerprint(trained.model),
        "the network in its artefact is not the trained one",
    )
