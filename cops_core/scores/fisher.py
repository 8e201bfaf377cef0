"""Fisher: weights with a large product of empirical Fisher information and squared value are kept."""

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _NormBase

from cops_core.errors import InputError
from cops_core.mask import Scores
from cops_core.scores.base import Score, Traits
from cops_core.scores.batches import Batch, cloned
from cops_core.scores.isolation import NormalisationMode, isolated
from cops_core.scores.network import Network, Weights
from cops_core.scores.problem import Problem, SampleLosses
from cops_core.scores.setting import differentiate

CHUNK_BYTES = 2**28


@final
class FisherScore(Score):
    """omega = theta^2 * (1/N) sum_n g_n^2, g_n the gradient of sample n's cross-entropy.

    The empirical diagonal Fisher information, as in Theis et al. 2018, "Faster gaze prediction with dense
    networks and Fisher pruning" (arXiv 1801.05787): Delta_k = 1/(2N) theta_k^2 sum_n g_nk^2, here per weight
    and without the 1/2. It is not SNIP squared, which squares the mean gradient.

    If normalisation layers couple the samples, g_n is the gradient of sample n's loss within the batch,
    through the batch's statistics, so the mean of g_n is always dL/dtheta. That costs N backward passes of
    the whole batch; otherwise all samples together cost about one.

    Args:
        normalisation: "train" uses the statistics of the batch, "eval" the running ones.
    """

    def __init__(self, normalisation: NormalisationMode = "train") -> None:
        self.normalisation = normalisation

    @property
    def traits(self) -> Traits:
        """One backward pass per sample."""
        return Traits(
            needs_data=True,
            needs_second_derivative=False,
            normalisation=self.normalisation,
            precision="model",
            signed=False,
        )

    def compute(self, problem: Problem) -> Scores:
        """omega per maskable weight, of its shape: the mean over the samples of all batches.

        Raises:
            InputError: There are no labels, and the caller gives no losses of samples; or only their mean.
        """
        network, given = problem.network, problem.sample_losses
        if given is None and problem.loss is not None:
            raise InputError(
                "score 'fisher' needs the loss of each sample: write sample_losses, a function of the model"
                " and a batch that returns losses of shape (N,)"
            )
        norms = any(isinstance(module, _NormBase) for module in network.model.modules())
        coupled = norms and self.normalisation == "train"
        squares: dict[str, Tensor] = {}
        samples = 0
        for number in range(problem.count):
            with isolated(network.model, self.normalisation, problem.seed):
                if given is not None:
                    more, size = _given_squares(network, given, problem.batch(number))
                else:
                    images, labels = problem.pair(number)
                    together = coupled or not isinstance(images, Tensor)
                    more = (coupled_squares if together else separate_squares)(network, images, labels)
                    size = len(labels)
            squares = {name: squares[name] + more[name] if number else more[name] for name in more}
            samples += size
        return {name: w.square() * (squares[name] / samples) for name, w in network.scored.items()}


def separate_squares(network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """sum_n g_n^2 per weight, each sample run separately: for networks that do not mix samples.

    Vectorised where torch can do that for the network, else one sample after the other.

    Args:
        network: The network.
        images: Shape (N, channels, height, width).
        labels: Shape (N,), class numbers.

    Returns:
        Sums by parameter name, each of the weight's shape.
    """
    try:
        return _vectorised(network, images, labels)
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:  # vmap cannot follow what depends on values, checkpoints, and some functions
        return _one_by_one(network, images, labels)


def _vectorised(network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Over as many samples as the per-sample gradients fit into CHUNK_BYTES."""

    def loss(weights: Weights, image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(network.logits(weights, image[None]), label[None])

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0), randomness="different")
    weights = {name: w.clone() for name, w in network.weights.items()}
    size = sum(w.numel() * w.element_size() for w in weights.values())
    chunks = math.ceil(len(labels) * size / CHUNK_BYTES)
    squares = {name: torch.zeros_like(w) for name, w in weights.items()}
    for some_images, some_labels in zip(images.chunk(chunks), labels.chunk(chunks), strict=True):
        for name, gradients in per_sample(weights, some_images, some_labels).items():
            squares[name] += gradients.square().sum(0)
    return squares


def _one_by_one(network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The same, a backward pass after the other."""
    weights = {name: w.clone().requires_grad_() for name, w in network.weights.items()}
    squares = {name: torch.zeros_like(w) for name, w in network.weights.items()}

    def add(image: Tensor, label: Tensor) -> None:
        gradients = differentiate(
            lambda: cross_entropy(network.logits(weights, image), label), list(weights.values())
        )
        for square, gradient in zip(squares.values(), gradients, strict=True):
            square += gradient.square()

    def add_all() -> None:
        for image, label in zip(torch.split(images, 1), torch.split(labels, 1), strict=True):
            add(image, label)

    network.holding(weights, add_all)
    return squares


def coupled_squares(network: Network, images: Any, labels: Tensor) -> dict[str, Tensor]:
    """sum_n g_n^2 per weight, the batch run as a whole: for networks with batch statistics.

    Args:
        network: The network.
        images: Anything that `Network.output` accepts, of N samples.
        labels: Shape (N,), class numbers.

    Returns:
        Sums by parameter name, each of the weight's shape.
    """

    def losses(weights: Weights) -> Tensor:
        return cross_entropy(network.logits(weights, images), labels, reduction="none")

    return _squares_of(network, losses)[0]


def _given_squares(network: Network, given: SampleLosses, batch: Batch) -> tuple[dict[str, Tensor], int]:
    """sum_n g_n^2 per weight, and N, for losses that the caller computes."""

    def losses(weights: Weights) -> Tensor:
        found = network.holding(weights, lambda: given(network.model, cloned(batch)))
        if not isinstance(found, Tensor) or found.ndim != 1 or not len(found):
            shape = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"{type(found).__name__}"
            raise InputError(f"sample_losses returns {shape}: write a tensor of shape (N,)")
        return found

    return _squares_of(network, losses)


def _squares_of(network: Network, losses: Callable[[Weights], Tensor]) -> tuple[dict[str, Tensor], int]:
    """sum_n g_n^2 per weight, and N, for N losses of one run: a backward pass for each."""
    weights = {name: w.clone().requires_grad_() for name, w in network.weights.items()}
    squares = {name: torch.zeros_like(w) for name, w in network.weights.items()}

    def add_all() -> int:
        found = losses(weights)
        for loss in found:
            gradients = torch.autograd.grad(
                loss, list(weights.values()), retain_graph=True, materialize_grads=True
            )
            for square, gradient in zip(squares.values(), gradients, strict=True):
                square += gradient.square()
        return len(found)

    return squares, network.holding(weights, add_all)


FISHER = FisherScore()
