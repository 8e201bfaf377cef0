"""Checks of trials before they run: each network, score and arm, on a few images of its own data.

A study checks its configurations in this way before its first trial, since anybody's network, data and scores
can be in it. What is wrong with a network, its data or an arm is a failure. A score that cannot be computed
for one network is not: a space may propose it beside others that work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
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
from cops_core.contracts.network_use import NetworkUse, unusable_score
from cops_core.contracts.small_data import BATCH, SEED, SmallNetwork, random_mask
from cops_core.data import ImageData
from cops_core.errors import InputError, described, listed
from cops_core.facts import UnusableScore
from cops_core.freeze import FreezeNet
from cops_core.prunable import maskable
from cops_core.scores import AnyScore, compute_scores
from cops_core.train import Trainer

STEPS = 4
LEARNING_RATE = 0.05
# Of large networks fewer steps are tried: one of ResNet18 takes as long as all of a small network.
STEPS_OF_LARGE = 2
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


def check_network(use: NetworkUse, data: ImageData, extensions: Mapping[str, str]) -> TrialChecks:
    """Check a network with all scores and arms of its configurations.

    Args:
        use: The network.
        data: Its data set.
        extensions: Names and SHA-256 of plugins.

    Returns:
        What was found. If every configuration with a selection has an unusable score, this is a failure.
    """
    network, checks = SmallNetwork(use.config, data, extensions), TrialChecks()
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
        for density in (FEW,) if place or network.large else (FEW, MANY):
            broken = _failure(lambda c=config, d=density: _trains(network, c, d))  # type: ignore[misc]
            if broken:
                checks.failures.append(f"{use.name}, arm {config.arm!r}: {broken}")
                break
    return checks


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


def _fits(network: SmallNetwork, masked: bool) -> None:
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


def _drawn(network: SmallNetwork) -> str:
    """What is drawn of theta0; an author's own initialisation of these weights has no effect."""
    model, _ = network.build()
    weights = maskable(model)
    drawn = sum(weight.numel() for weight in weights.values())
    others = sum(parameter.numel() for parameter in model.parameters()) - drawn
    return (
        f"{network.config.initialization} draws the {drawn:,} weights of {listed(weights)};"
        f" {others:,} other parameters start as the network's code sets them"
    )


def _scored(network: SmallNetwork, score: AnyScore, convention: str, *, masked: bool) -> None:
    """The score can be computed, also on a masked network if there are rounds."""
    model, _ = network.build()
    compute_scores([score], model, network.batch, seed=SEED, convention=convention)
    if masked:
        mask = random_mask(model, MANY)
        compute_scores([score], model, network.batch, seed=SEED, mask=mask, convention=convention)


def _trains(network: SmallNetwork, config: TrialConfig, density: Decimal) -> None:
    """An arm trains as a dense copy does, resumes from its state, and its artefact is the same network."""
    model, _ = network.build()
    trainer = _trainer(network, model, config, density)
    if config.arm != "dense":
        check_training(
            lambda: network.build()[0],
            random_mask(model, density),
            scale_of(config),
            [network.batch] * (STEPS_OF_LARGE if network.large else STEPS),
            trainer.training,
            exact=not network.large,
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


def _trainer(network: SmallNetwork, model: nn.Module, config: TrialConfig, density: Decimal) -> Trainer:
    training = Training(
        epochs=3,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        precision=network.config.training.precision,
    )
    mask = None if config.arm == "dense" else random_mask(model, density)
    return Trainer(FreezeNet(model, mask, scale_of(config)), network.split, training, SEED)


def _as_written(state: dict[str, Any]) -> dict[str, Any]:
    """A state after it was written to a checkpoint and read again."""
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    read: dict[str, Any] = torch.load(buffer, weights_only=True)
    return read


def _artefact_is_the_network(
    network: SmallNetwork, trained: FreezeNet, config: TrialConfig, density: Decimal
) -> None:
    model, theta0 = network.build()
    mask = None if config.arm == "dense" else random_mask(model, density)
    config = config.model_copy(update={"density": None if mask is None else density, "seed": SEED})
    mask_sha256 = None if mask is None else mask.sha256()
    header = header_of(config, network.split, theta0, mask_sha256, network.extensions)
    loaded = load_artifact(pack(trained, header), network.extensions, name="its artefact")
    require(
        fingerprint(loaded.model) == fingerprint(trained.model),
        "the network in its artefact is not the trained one",
    )
