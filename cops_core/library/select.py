"""`select`: from any network and any batches to a mask of exactly kappa weights."""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError
from torch import nn

from cops_core.ablation import MASK_ABLATIONS
from cops_core.config import (
    Ablation,
    Combine,
    Control,
    Floor,
    IfInfeasible,
    LevelKind,
    Schedule,
    Scope,
    Selection,
)
from cops_core.errors import InputError, as_share, listed, one_line
from cops_core.generators import seeded_generators
from cops_core.groups import groups_of
from cops_core.iterate import run_rounds
from cops_core.library.candidates import Candidates, Patterns, candidates
from cops_core.mask import Mask, kept_weights
from cops_core.masked.view import check_plain
from cops_core.scores import CONVENTIONS, STEPS, TEMPERATURE, AnyScore, Steps, find_score
from cops_core.scores.batches import batches_of
from cops_core.scores.problem import Loss, SampleLosses
from cops_core.scoring import Scorer
from cops_core.streams import SEED_RANGE


def select(
    model: nn.Module,
    batches: Any = None,
    *,
    target: AnyScore = "snip",
    controls: Mapping[AnyScore, float] | None = None,
    density: float | Decimal | str,
    loss: Loss | None = None,
    sample_losses: SampleLosses | None = None,
    rounds: int = 1,
    schedule: Schedule = "exponential",
    scope: Scope = "global",
    floor: Floor | None = None,
    revive: bool = False,
    level_kind: LevelKind = "relative",
    combine: Combine = "cops",
    if_infeasible: IfInfeasible = "shrink",
    seed: int = 0,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    example: Any = None,
    temperature: float = TEMPERATURE,
    steps: Steps = STEPS,
    ablation: Ablation = "none",
    convention: str = "paper",
) -> Mask:
    """Select the weights of a network that are kept: the highest target score, under the controls.

        max <m, omega_0>  s.t.  <m, omega_j> >= c_j (j = 1..J),  sum(m) = kappa

    (COPS, arXiv 2107.12673; see `cops_core.cops.solve_cops`). Without controls the mask has the kappa weights
    with the highest score, in one shot or in rounds (`cops_core.iterate`).

    The network is scored as it is: call `initialize` first for weights from a seed. Its weights, buffers,
    gradients, modes and the global random state are the same afterwards, also after an error. Dropout is off,
    and normalisation layers use the statistics of each batch. Scores are computed on the network's device.

    Args:
        model: The network.
        batches: One batch (a tensor, a tuple, a dict, ...) or several (a list, a DataLoader, any other
            iterable, which is read once). Their losses are averaged, and computed one after the other: memory
            does not grow with their number. Scores without data (magnitude, random, synflow) need none.
        target: The target score: a key of `cops_core.scores.SCORES`, or a `Member` of the family.
        controls: Other scores and their levels in [0, 1], e.g. {"magnitude": 0.3}; see also `combine`.
        density: The kept fraction of all candidate weights, in (0, 1].
        loss: `loss(model, batch)`, a tensor of shape (). It receives `model` itself, with the scored weights
            in their place. None: the cross-entropy of `model(inputs)` with labels, for batches (inputs,
            labels) or a dict with `labels`; GraSP divides its logits by `temperature`.
        sample_losses: `sample_losses(model, batch)`, of shape (N,): needed by Fisher, if there is a loss.
        rounds: In [1, 10000]; SynFlow is published with 100.
        schedule: How many weights each round leaves: "exponential" or "linear".
        scope: "global": the weights are chosen from all layers together. Otherwise each layer keeps a number
            that its scores do not change: "layer", the same fraction; "erk", by Erdos-Renyi-kernel;
            "balanced", as many as any other (see `cops_core.densities`).
        floor: The minimum of kept weights in each layer, e.g. `cops.Floor(count=100)`, or for each neuron or
            channel, e.g. `cops.Floor(count=1, per="unit")`, against layers without any.
        revive: Whether removed weights may come back in a later round.
        level_kind: "relative" or "absolute", see `cops_core.config.Selection`.
        combine: "cops", by levels; or "weighted" or "union", in which the levels are the controls' shares of
            a sum or of the budget, see `cops_core.config.Selection`.
        if_infeasible: If no mask meets all levels: "shrink" them, or "end" with an error.
        seed: In [0, 2**32): of the random score, of ablations, of layers that draw in eval mode, and of a
            DataLoader that shuffles.
        include: Only these weights: names, globs or types of modules, see `candidates`.
        exclude: Not these weights.
        example: An input of the network for scores without data: a tensor, a tuple of several inputs, or a
            dict of keywords. None: the inputs of the first batch.
        temperature: GraSP divides the logits by it, by default by 200, as its authors do. Without a `loss`.
        steps: ProsPr looks ahead through them, each on the next of `batches`: by default three at 0.1, e.g.
            `cops.Steps(count=1, learning_rate=0.01)`.
        ablation: Instead of the mask one for comparison, which keeps as many weights in each layer: its
            places permuted ("shuffle"), random ones ("random"), or those of the lowest scores ("invert"),
            see `cops_core.ablation`.
        convention: A key of `cops_core.scores.CONVENTIONS`: the papers' formulas, or those of a code base.

    Returns:
        A mask of the candidates, with exactly kappa = floor(density D + 1/2) kept weights.

    Raises:
        InputError: A wrong argument, or a score that lacks what it needs or cannot be computed here.
        InfeasibleError: No mask meets all levels, and `if_infeasible` is "end".
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model is an object of type {type(model).__name__}: write a torch.nn.Module")
    check_plain(model)
    selection = _selection(
        target=target,
        controls=_controls(controls),
        rounds=rounds,
        schedule=schedule,
        scope=scope,
        floor=floor,
        revive=revive,
        level_kind=level_kind,
        combine=combine,
        if_infeasible=if_infeasible,
        temperature=temperature,
        steps=steps,
        ablation=ablation,
        convention=convention,
    )
    if selection.ablation == "reinitialize":
        raise InputError(
            "ablation 'reinitialize' has the same mask and other weights: leave it out, and call"
            " cops.initialize(model, seed=...) with another seed after select"
        )
    if loss is not None and temperature != TEMPERATURE:
        raise InputError(
            f"temperature {temperature:g} divides the logits of the cross-entropy, and there is another loss:"
            " leave one of them out"
        )
    _check_seed(seed)
    for name, function in {"loss": loss, "sample_losses": sample_losses}.items():
        if function is not None and not callable(function):
            raise InputError(f"{name} is {function!r}: write a function of the model and a batch")
    share = _density(density)
    weights = scored_weights(candidates(model, include, exclude), selection)
    if not kept_weights(share, total := sum(weight.numel() for weight in weights.values())):
        raise InputError(f"density {density} keeps none of {total} weights: write at least {1 / total:.2g}")
    traits = [find_score(score, convention).traits for score in selection.scores]
    needs_data = any(each.needs_data for each in traits)
    needs_example = example is None and any(each.normalisation != "unused" for each in traits)
    data = None
    if batches is not None and (needs_data or needs_example):
        with seeded_generators(seed, "scoring batches"):  # a shuffled loader draws
            data = batches_of(batches)
    scorer = Scorer(
        model,
        seed,
        theta0_sha256="",  # of a cache, which is not used
        convention=convention,
        weight_names=frozenset(weights),
        loss=loss,
        sample_losses=sample_losses,
        example=example,
        temperature=temperature,
        steps=steps,
    )
    found = run_rounds(scorer, [data], selection, groups_of(scorer, selection, share), priced=False)
    return MASK_ABLATIONS[selection.ablation](found.mask, seed, found.ranking)


def scored_weights(found: Candidates, selection: Selection) -> dict[str, nn.Parameter]:
    """The weights of a network that are scored: its candidates, without those that a convention never prunes.

    Args:
        found: The candidates.
        selection: Its convention counts.

    Returns:
        The weights by name.

    Raises:
        InputError: There are none, or the convention removes biases.
    """
    weights = dict(found.weights)
    prunable = CONVENTIONS[selection.convention].prunable
    if prunable == "weights and biases":
        raise InputError(
            f"convention {selection.convention!r} removes biases, which are always trained here: write"
            " 'synaptic_flow'"
        )
    if prunable == "weights but the last layer's" and weights:
        weights.popitem()
    if not weights:
        why = [f"{name}: {reason}" for name, reason in found.skipped.items()]
        raise InputError(f"the model has no weight that can be removed ({listed(why) or 'no layer has any'})")
    return weights


def _selection(**fields: Any) -> Selection:
    """The selection of these fields, or one line about what is wrong."""
    try:
        return Selection(**fields)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def _controls(given: Mapping[AnyScore, float] | None) -> tuple[Control, ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise InputError(
            f'controls {given!r} are not a dict: write scores and levels, e.g. {{"magnitude": 0.3}}'
        )
    controls = []
    for score, level in given.items():
        try:
            controls.append(Control(score=score, level=level))
        except ValidationError as error:
            raise InputError(f"controls {{{str(score)!r}: {level!r}}}: {one_line(error)}") from None
    return tuple(controls)


def _density(given: float | Decimal | str) -> Decimal:
    """The density as a decimal number: in floats, 1 - 0.995 and 0.005 differ."""
    try:
        number = Decimal(str(given))
    except InvalidOperation:
        number = Decimal("nan")
    if isinstance(given, bool) or not (number.is_finite() and 0 < number <= 1):
        near = as_share(float(number)) if math.isfinite(float(number)) else ""
        raise InputError(f"density {given!r} is not in (0, 1]{near or ': write e.g. 0.05'}")
    return number


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_RANGE:
        raise InputError(f"seed {seed!r} is not a whole number in [0, 2**32): write e.g. 0")
