"""A look at how much of the gradient reaches each layer."""

from torch import Tensor

from cops_core.freeze import FreezeNet
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.problem import pose


def gradient_norms(network: FreezeNet, batch: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """{parameter name: ||dL/dv||_2} of the trained weights of each convolution and linear layer.

    L: the mean cross-entropy of the batch, with batch statistics. With the same mask, pruned and
    frozen networks have the same trained weights, so their norms can be compared. Costs one forward
    and backward pass; the model and its running statistics are left as they were.
    """
    network.write()
    problem = pose(network.model, batch, seed)
    gradients, _ = problem.gradient(MeanCrossEntropy())
    norms = {}
    for name, gradient in gradients.items():
        trained = network.places.get(name)
        flat = gradient.reshape(-1)
        norms[name] = float((flat if trained is None else flat.index_select(0, trained)).norm())
    return norms
