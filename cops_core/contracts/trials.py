"""Checks of trials before they run: each network, score and arm, on a few images of its own data.

A study checks its configurations in this way before its first trial, since anybody's network, data and scores
can be in it. What is wrong with a network, its data or an arm is a failure. A score that cannot be computed
for one network is not: a space may propose it beside others that work.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import torch
from torch import Tensor, nn

from cops_core.arms import scale_of
from cops_core.artifact import ArtifactError
from cops_core.config import Training, TrialConfig
from cops_core.contracts.arms import check_arm
from cops_core.contracts.base import ContractError, require
from cops_core.contracts.network_use import NetworkUse, unusable_score, way_to_train
from cops_core.contracts.small_data import BATCH, SEED, SmallNetwork
from cops_core.data import ImageData, Split
from cops_core.errors import InputError, described, listed
from cops_core.facts import DrawnWeights, UnusableScore
from cops_core.prunable import maskable
from cops_core.scores import AnyScore, compute_scores

# With few kept weights linear layers use sparse products, with many they do not.
FEW, MANY = Decimal("0.1"), Decimal("0.5")
PLAIN = way_to_train(Training())


@dataclass
class TrialChecks:
    """What the checks of a network found.

    Attributes:
        failures: A line for each thing that is wrong.
        unusable: The scores that cannot be computed for the network.
        drawn: Its initial weights that the project draws; None if it cannot be built or run.
    """

    failures: list[str] = field(default_factory=list)
    unusable: list[UnusableScore] = field(default_factory=list)
    drawn: DrawnWeights | None = None


def check_network(
    use: NetworkUse,
    data: ImageData,
    extensions: Mapping[str, str],
    say: Callable[[str], None] = lambda _: None,
) -> TrialChecks:
    """Check a network with all scores and arms of its configurations.

    A large network is checked in fewer steps, on smaller images if it accepts them. Of the arms that scale
    weights by a constant one is then checked, one arm is resumed, and that one and the dense one are saved.

    Args:
        use: The network.
        data: Its data set.
        extensions: Names and SHA-256 of plugins.
        say: Receives a line before a check that takes seconds.

    Returns:
        What was found. If every configuration with a selection has an unusable score, this is a failure.
    """
    network, checks = SmallNetwork(use.config, data, extensions), TrialChecks()
    with one_thread() as use_idle_cores:
        unfit = failure(lambda: _fits(network, bool(use.scores)))
        if unfit:  # nothing else of it can be checked
            checks.failures.append(f"{use.name}: {unfit}")
            return checks
        checks.drawn = _drawn(network)
        if network.large:
            use_idle_cores()
            say(f"checking {use.name} ({network.parameters:,} parameters) takes seconds: {_work(use)}")
            unfit = failure(lambda: network.train_once(network.whole))
        if unfit:
            checks.failures.append(f"{use.name}: {unfit}")
            return checks
        _check_scores(network, use, checks)
        _check_arms(network, use, checks)
    return checks


@contextmanager
def one_thread() -> Iterator[Callable[[], None]]:
    """A context with one thread, since several mostly wait in a small network.

    It yields a function that allows a thread for each idle core. Threads on busy cores wait for each other:
    with two on two busy cores a large network takes four times as long as with one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def use_idle_cores() -> None:
        idle = (os.cpu_count() or 1) - round(os.getloadavg()[0])
        torch.set_num_threads(min(threads, max(1, idle)))

    try:
        yield use_idle_cores
    finally:
        torch.set_num_threads(threads)


def _work(use: NetworkUse) -> str:
    scores = dict.fromkeys(kind for _, kind in use.scores)
    arms = dict.fromkeys(config.arm for config in use.arms.values())
    parts = [*([f"scores {listed(scores)}"] if scores else []), f"arms {', '.join(arms)}"]
    return ", ".join(parts)


def _check_scores(network: SmallNetwork, use: NetworkUse, checks: TrialChecks) -> None:
    """Note the scores that cannot be computed; a failure if every selection has one."""
    model = network.built
    for (convention, kind), (score, masked) in use.scores.items():

        def scored(images: Split) -> None:
            _scored(network, model, images, score, convention, masked=masked)  # noqa: B023, called now

        reason = _found(network, scored)
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
            model = network.build()  # the score may have changed it
    selected = [config for config in use.configs if config.selection is not None]
    if selected and all(unusable_score(config, checks.unusable) for config in selected):
        checks.failures += [f"{use.name}: {found['reason']}" for found in checks.unusable]


def _check_arms(network: SmallNetwork, use: NetworkUse, checks: TrialChecks) -> None:
    """Check each arm under each way to train it; of a large network each kind of arm, and each way, once."""
    # Masked arms first: what the dense arm has in common with them is then known.
    configs = sorted(_kinds(use) if network.large else use.arms.values(), key=lambda c: c.arm == "dense")
    for place, config in enumerate(configs):
        first = place == 0
        every = first or not network.large
        densities: tuple[Decimal, ...] = (FEW, MANY) if first else (FEW,)
        if network.large:
            densities = (FEW,) if first else (MANY,)
        for density in densities if config.arm != "dense" else (FEW,):

            def trains(images: Split) -> None:
                saved = every or config.arm == "dense"  # noqa: B023, called now
                check_arm(network, images, config, density, resumed=every, saved=saved)  # noqa: B023

            broken = _found(network, trains)
            if broken:
                way = way_to_train(config.training)
                trained = "" if way == PLAIN else f" with {way}"
                checks.failures.append(f"{use.name}, arm {config.arm!r}{trained}: {broken}")
                break


def _kinds(use: NetworkUse) -> list[TrialConfig]:
    """Configurations in which each kind of arm occurs, and each way to train a masked network."""
    kinds: dict[tuple[bool, bool, bool], TrialConfig] = {}
    for config in use.arms.values():
        scale = scale_of(config)
        kinds.setdefault((config.arm == "dense", scale.start == 0, scale.decays), config)
    found = list(kinds.values())
    ways = {way_to_train(config.training) for config in found if config.arm != "dense"}
    for config in use.arms.values():
        way = way_to_train(config.training)
        if config.arm != "dense" and way not in ways:
            found.append(config)
            ways.add(way)
    return found


def _found(network: SmallNetwork, check: Callable[[Split], None]) -> str:
    """Why a check fails on whole images if it fails on the first ones; empty if it does not."""
    reason = ""
    for images in network.splits:
        reason = failure(lambda i=images: check(i))  # type: ignore[misc]
        if not reason:
            break
    return reason


def failure(check: Callable[[], object]) -> str:
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
    model = network.tried
    images, _ = network.batch(network.whole)
    images, few = images[: 2 if network.large else BATCH], 1 if network.large else 2
    with torch.no_grad():
        model.eval()
        logits, first = model(images.clone()), model(images[:few].clone())  # it may change its images
    require(isinstance(logits, Tensor), f"it returns {type(logits).__name__}, not a tensor of logits")
    shape, expected = tuple(logits.shape), (len(images), network.data.classes)
    require(shape == expected, f"its logits have the shape {shape}, not {expected}: return one per class")
    require(bool(logits.isfinite().all()), "its logits are not finite at its initial weights")
    close = torch.allclose(logits[:few], first, rtol=1e-3, atol=1e-4)
    require(close, "in eval mode its logits depend on the other images of a batch, or on a random draw")
    require(not masked or bool(maskable(model)), "it has no convolution or linear layer to select from")


def _drawn(network: SmallNetwork) -> DrawnWeights:
    """What is drawn of theta0; an author's own initialisation of these weights has no effect."""
    weights = maskable(network.built)
    drawn = sum(weight.numel() for weight in weights.values())
    return DrawnWeights(
        dataset=network.config.dataset,
        model=network.config.model,
        initialization=network.config.initialization,
        weights=list(weights),
        drawn=drawn,
        others=network.parameters - drawn,
    )


def _scored(
    network: SmallNetwork, model: nn.Module, images: Split, score: AnyScore, convention: str, *, masked: bool
) -> None:
    """The score can be computed, with rounds also on a masked network (of a large one only)."""
    masks = [network.mask(MANY)] if masked else []
    for mask in masks if masks and network.large else [None, *masks]:
        compute_scores([score], model, network.batch(images), seed=SEED, mask=mask, convention=convention)
