"""The contract of trainers: what must be true of a trial of one's own, in two short epochs of each arm."""

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import torch
from torch import nn

from cops_core.arms import scale_of
from cops_core.config import Selection, TrialConfig
from cops_core.contracts.base import require
from cops_core.contracts.network_use import NetworkUse, unusable_score
from cops_core.contracts.trials import TrialChecks, failure, one_thread
from cops_core.errors import DriftError
from cops_core.facts import DrawnWeights, UnusableScore
from cops_core.generators import seeded_generators
from cops_core.library.candidates import candidates
from cops_core.library.select import scored_weights
from cops_core.masked.view import masked_weights
from cops_core.own_trial import OwnTrial, evaluate_stored, initial_model
from cops_core.scores import AnyScore, compute_scores
from cops_core.trainers import TRAINERS, CustomTrainer, Scalar, sample_losses_of, trainer_of

SEED = 0
DENSITY = Decimal("0.2")
EPOCHS = 2
EVERY_ARM = (
    TrialConfig(arm="dense"),
    *(
        TrialConfig(arm=arm, scale=scale, selection=Selection(target="magnitude"))
        for arm, scale in (("prune", None), ("freeze", None), ("scale", 0.5), ("freeze_wd", None))
    ),
)


def trainer_failures(name: str) -> Iterator[str]:
    """What is wrong with a trainer, with its default settings and each arm.

    Args:
        name: A key of `TRAINERS`.

    Yields:
        A line for each problem.
    """
    configs = tuple(
        TrialConfig(trainer=name, arm=each.arm, scale=each.scale, selection=each.selection)
        for each in EVERY_ARM
    )
    yield from check_trainer(NetworkUse(configs), {}).failures


def check_trainer(use: NetworkUse, extensions: Mapping[str, str]) -> TrialChecks:
    """Check a trainer with all scores and arms of its configurations, with the first one's settings.

    Its epochs are those of the settings in its `tiny`.

    Args:
        use: The trainer.
        extensions: Names and SHA-256 of plugins.

    Returns:
        What was found. If every configuration with a selection has an unusable score, this is a failure.
    """
    config, checks = use.config, TrialChecks()
    tiny = {**config.settings, **TRAINERS[config.trainer].tiny}
    name = f"trainer {config.trainer!r}"
    with one_thread():
        broken = failure(lambda: _fits(config, tiny))
        if broken:
            checks.failures.append(f"{name}: {broken}")
            return checks
        model, trainer = _built(config, tiny)
        checks.drawn = _drawn(config, _built(config, config.settings)[0])
        for (convention, kind), (score, _) in use.scores.items():
            reason = failure(_scoring(trainer, model, score, convention))
            if reason:
                checks.unusable.append(
                    UnusableScore(
                        dataset=config.dataset,
                        model=config.model,
                        precision=config.training.precision,
                        score=kind,
                        convention=convention,
                        reason=reason,
                    )
                )
        selected = [each for each in use.configs if each.selection is not None]
        if selected and all(unusable_score(each, checks.unusable) for each in selected):
            checks.failures += [f"{name}: {found['reason']}" for found in checks.unusable]
        for arm in use.arms.values():
            broken = failure(_training(arm, tiny, extensions))
            if broken:
                checks.failures.append(f"{name}, arm {arm.arm!r}: {broken}")
    return checks


def _built(config: TrialConfig, settings: Mapping[str, Scalar]) -> tuple[nn.Module, CustomTrainer]:
    trainer = trainer_of(config.trainer, settings, seed=SEED, epochs=EPOCHS)
    return initial_model(trainer, SEED, config.initialization), trainer


def _fits(config: TrialConfig, settings: Mapping[str, Scalar]) -> None:
    """Data have a hash; the network is the same at each call, and its loss is a finite number."""
    model, trainer = _built(config, settings)
    sha256 = trainer.data_sha256()
    valid = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    require(valid, f"data_sha256 returns {sha256!r}: return 64 hexadecimal digits")
    require(
        trainer_of(config.trainer, settings, seed=SEED + 1).data_sha256() == sha256,
        "data_sha256 differs with the seed: all seeds have the same data",
    )
    again, _ = _built(config, settings)
    same = all(
        torch.equal(one, other)
        for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    )
    require(same, "build gives other values at the second call: draw them from torch's global generator")


def _scoring(
    trainer: CustomTrainer, model: nn.Module, score: AnyScore, convention: str
) -> Callable[[], object]:
    def scored() -> None:
        weights = scored_weights(candidates(model), Selection(target=score, convention=convention))
        with seeded_generators(SEED, "trainer", "scoring batches"):
            batches = trainer.scoring_batches(1)
        compute_scores(
            [score],
            model,
            batches,
            seed=SEED,
            convention=convention,
            weight_names=frozenset(weights),
            loss=trainer.loss,
            sample_losses=sample_losses_of(trainer),
        )

    return scored


def _training(
    config: TrialConfig, settings: Mapping[str, Scalar], extensions: Mapping[str, str]
) -> Callable[[], object]:
    """An arm trains, only what is kept; it is the same again, resumed, and stored."""
    dense = config.arm == "dense"
    small = config.changed(
        settings=settings,
        seed=SEED,
        selection=None if dense else Selection(target="magnitude"),
        density=None if dense else DENSITY,
        training=config.training.model_copy(update={"epochs": EPOCHS}),
        test=False,
    )

    def trained() -> None:
        one = OwnTrial(small, extensions=extensions)
        before = [parameter.detach().clone() for parameter in one.network.parameters()]
        first = one.step().row()
        after = one.network.parameters()
        moved = any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
        require(moved, "train_epoch changes no parameter: train the network that start receives")
        state = one.state()
        again = OwnTrial(small, extensions=extensions)
        require(_same(first, again.step().row()), "it gives other metrics again: draw from global generators")
        resumed = OwnTrial(small, extensions=extensions)
        resumed.load_state(state)
        if one.done:
            return  # diverged in its first epoch
        last = one.step().row()
        require(
            _same(last, resumed.step().row()),
            "resumed from its state, it trains differently: return all that changes in state",
        )
        _check_frozen(one)
        value = last[small.measure.name]  # type: ignore[literal-required]
        stored = evaluate_stored(small, one.artifact(), "validation")
        require(
            one.status == "diverged" or math.isclose(value, stored, rel_tol=1e-4, abs_tol=1e-6),
            f"its stored network has {small.measure.name} {stored}, not {value}:"
            " evaluate must depend on the network alone",
        )

    return trained


def _check_frozen(trial: OwnTrial) -> None:
    """Nothing outside the mask has changed, except that weight decay may scale it."""
    if not scale_of(trial.config).decays and any(
        masked.kept.has_drifted() for masked in masked_weights(trial.network.model).values()
    ):
        raise DriftError("weights outside the mask have changed")


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return all(
        value == other.get(name) or (value != value and other.get(name) != other.get(name))
        for name, value in one.items()
        if name != "train_seconds"
    )


def _drawn(config: TrialConfig, model: nn.Module) -> DrawnWeights:
    weights = candidates(model).weights
    drawn = sum(weight.numel() for weight in weights.values())
    return DrawnWeights(
        dataset=config.dataset,
        model=config.model,
        initialization=config.initialization,
        weights=list(weights),
        drawn=drawn,
        others=sum(parameter.numel() for parameter in model.parameters()) - drawn,
    )
