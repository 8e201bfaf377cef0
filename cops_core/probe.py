"""How much of the gradient reaches each layer."""

from torch import Tensor

from cops_core.freeze import FreezeNet
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.problem import pose


def gradient_norms(network: FreezeNet, batch: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """The gradient norms of the trained weights of each convolution and linear layer.

    L is the mean cross-entropy of the batch, with batch statistics. Pruned and frozen networks with the same
    mask train the same weights, so their norms can be compared. The cost is one forward and backward pass;
    the model and its running statistics do not change.

    Args:
        network: The network.
        batch: Images of shape (N, channels, height, width) and labels of shape (N,).
        seed: The trial's, in [0, 2**32).

    Returns:
        {parameter name: ||dL/dv||_2}.
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
