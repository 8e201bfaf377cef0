"""Scores that break a promise of the contract, each with the check that has to say so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cops_core.scores import SCORES, Score
from cops_core.scores.base import Traits
from cops_core.scores.magnitude import MAGNITUDE
from cops_core.scores.problem import Problem
from cops_core.scores.snip import SNIP

PLAIN = MAGNITUDE.traits
DATA = SNIP.traits


@dataclass(frozen=True)
class Wrong(Score):
    """Computes `how` of the problem, and says whatever it is told about itself."""

    how: Callable[[Problem], Any]
    said: Traits = PLAIN
    memory: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def traits(self) -> Traits:
        return self.said

    def compute(self, problem: Problem) -> Mapping[str, Tensor]:
        return self.how(problem)


class OfNoRounds(Wrong):
    published_rounds = 0


def layers(how: Callable[[Tensor], Tensor]) -> Callable[[Problem], Mapping[str, Tensor]]:
    return lambda problem: {name: how(weight) for name, weight in problem.network.weights.items()}


def magnitudes(problem: Problem) -> dict[str, Tensor]:
    return {name: weight.abs() for name, weight in problem.network.weights.items()}


def leaves_gradients(problem):
    model = problem.network.model
    model(problem.images).sum().backward()
    return SNIP.compute(problem)


def leaves_statistics(problem):
    with torch.no_grad():
        problem.network.model(problem.images)
    return SNIP.compute(problem)


def leaves_modes_after_an_error(problem):
    """Runs the model itself, and tidies up behind it unless that fails."""
    model = problem.network.model
    modes = [module.training for module in model.modules()]
    model.eval()
    model(problem.images).sum()
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    return SNIP.compute(problem)


def draws(source):
    def how(problem):
        return {n: w.abs() + float(source()) for n, w in problem.network.weights.items()}

    return how


def turns_cudnn_on(problem):
    torch.backends.cudnn.deterministic = True
    return magnitudes(problem)


def of_the_first_batch(problem):
    return SNIP.compute(Problem(problem.network, [(problem.images, problem.labels)], problem.seed))


def looks_at_the_first_image(problem):
    first = Problem(problem.network, [(problem.images[:1], problem.labels[:1])], problem.seed)
    return SNIP.compute(first)


def spoils_the_shared_gradient(problem):
    gradients, _ = problem.gradient(SNIP.functional)
    return {name: gradient.abs_().mul_(2).clone() for name, gradient in gradients.items()}


def in_single_precision(problem):
    noise = float(torch.get_num_threads()) * 1e-7
    return {name: value * (1 + noise) for name, value in magnitudes(problem).items()}


def of_the_layers_sum(problem):
    return {name: value / (value.sum() + 1) for name, value in magnitudes(problem).items()}


def of_the_unmasked(problem):
    weights = dict(problem.network.model.named_parameters())
    return {name: weights[name].detach().abs() for name in problem.network.weights}


def only_survivors(problem):
    values = magnitudes(problem)
    if not any(value.any() for value in values.values()):
        raise ValueError("no weight is left\nto score")
    return values


def watches_the_mode(problem):
    return {n: v + torch.is_grad_enabled() for n, v in magnitudes(problem).items()}


SHARED = torch.rand(200)

# (what computes, what is said about it), the check that must fail, words of its complaint.
WRONG = {
    "other keys": (
        Wrong(lambda problem: dict(list(magnitudes(problem).items())[1:])),
        "keys_and_shapes_are_the_weights",
        "not ['0.weight'",
    ),
    "a list": (
        Wrong(lambda problem: list(magnitudes(problem).values())),
        "keys_and_shapes_are_the_weights",
        "returns list, not a dict",
    ),
    "flat values": (
        Wrong(layers(lambda weight: weight.abs().flatten())),
        "keys_and_shapes_are_the_weights",
        "shape (54,) of 0.weight, not (3, 2, 3, 3)",
    ),
    "a view of the weights": (
        Wrong(layers(lambda weight: weight), replace(PLAIN, signed=True)),
        "values_are_detached_and_unshared",
        "a view of the model",
    ),
    "part of a gradient's graph": (
        Wrong(layers(lambda weight: weight.clone().requires_grad_().abs())),
        "values_are_detached_and_unshared",
        "not detached",
    ),
    "memory of two layers": (
        Wrong(layers(lambda weight: SHARED[: weight.numel()].view(weight.shape))),
        "values_are_detached_and_unshared",
        "two layers share memory",
    ),
    "another precision": (
        Wrong(layers(lambda weight: weight.abs().double())),
        "values_are_detached_and_unshared",
        "the traits say torch.float32",
    ),
    "negative": (Wrong(layers(lambda weight: weight.clone())), "values_rank_something", "not signed"),
    "not a number": (
        Wrong(layers(lambda weight: weight / 0)),
        "values_rank_something",
        "is not finite in 0.weight",
    ),
    "zero": (Wrong(layers(torch.zeros_like)), "values_rank_something", "every value is zero"),
    "torch's global state": (
        Wrong(draws(lambda: torch.rand(()))),
        "same_values_at_every_call",
        "a second call",
    ),
    "numpy's global state": (Wrong(draws(np.random.random)), "same_values_at_every_call", "a second call"),
    "torch's global state moved on": (
        Wrong(lambda problem: [torch.rand(1), magnitudes(problem)][1]),
        "model_is_unchanged",
        "torch's random state",
    ),
    "numpy's global state moved on": (
        Wrong(lambda problem: [np.random.random(), magnitudes(problem)][1]),
        "model_is_unchanged",
        "numpy's random state",
    ),
    "company": (
        Wrong(spoils_the_shared_gradient, DATA),
        "other_scores_in_the_call_do_not_matter",
        "changes the gradient of MeanCrossEntropy",
    ),
    "gradients left behind": (Wrong(leaves_gradients, DATA), "model_is_unchanged", "grad"),
    "statistics left behind": (Wrong(leaves_statistics, DATA), "model_is_unchanged", "in place"),
    "modes left behind after an error": (
        Wrong(leaves_modes_after_an_error, DATA),
        "model_is_unchanged_after_an_error",
        "changes modes",
    ),
    "a network that is said to be unused": (
        Wrong(SNIP.compute, replace(DATA, normalisation="unused")),
        "model_is_unchanged_after_an_error",
        "runs the network forward",
    ),
    "a network that is said to be used": (
        Wrong(magnitudes, replace(PLAIN, normalisation="train")),
        "model_is_unchanged_after_an_error",
        "does not run the network forward",
    ),
    "a second derivative that is not taken": (
        Wrong(SNIP.compute, replace(DATA, needs_second_derivative=True)),
        "second_derivatives_match_the_traits",
        "needs_second_derivative is True in the traits",
    ),
    "a second derivative that nobody announced": (
        Wrong(SCORES["grasp"].compute, replace(SCORES["grasp"].traits, needs_second_derivative=False)),
        "second_derivatives_match_the_traits",
        "needs_second_derivative is False in the traits",
    ),
    "cuDNN": (Wrong(turns_cudnn_on), "cudnn_switches_are_unchanged", "(True, True)"),
    "the caller's settings": (Wrong(watches_the_mode), "settings_of_the_caller_do_not_matter", "no_grad"),
    "the number of threads": (Wrong(in_single_precision), "threads_do_not_matter", "with two threads"),
    "the order of the batch": (
        Wrong(looks_at_the_first_image, DATA),
        "order_of_the_batch_does_not_matter",
        "in another order of the batch",
    ),
    "all batches but the first": (
        Wrong(of_the_first_batch, DATA),
        "several_batches_count_as_one",
        "in two batches",
    ),
    "data that are not needed": (
        Wrong(magnitudes, replace(PLAIN, needs_data=True)),
        "needs_data_matches_the_traits",
        "needs_data is True",
    ),
    "data that are": (
        Wrong(SNIP.compute, replace(DATA, needs_data=False)),
        "needs_data_matches_the_traits",
        "needs_data is False",
    ),
    "running statistics": (
        Wrong(SNIP.compute, replace(DATA, normalisation="eval")),
        "normalisation_matches_the_traits",
        "normalisation is 'eval', running statistics matter: False",
    ),
    "the weights behind the mask": (Wrong(of_the_unmasked), "masked_is_zeroed", "other values than zeros"),
    "an empty mask": (
        Wrong(only_survivors),
        "empty_mask_is_scored",
        "ValueError: no weight is left to",
    ),
    "what else survives": (
        Wrong(of_the_layers_sum),
        "mask_does_not_matter_where_network_is_unused",
        'depends on the mask, the traits say normalisation "unused"',
    ),
    "no rounds": (OfNoRounds(magnitudes), "published_rounds_are_a_number", "published_rounds is 0"),
    "traits of another kind": (Wrong(magnitudes, "none"), "traits_are_complete", "traits are str"),
}
