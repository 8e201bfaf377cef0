"""How much of the gradient reaches each layer."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cops_core.freeze_net import FreezeNet
from cops_core.scores.isolation import isolated


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
    model = network.model
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    # Clones, so that the model's own tensors have no gradient and batch norm no new statistics.
    values = {names[id(p)]: p.detach().clone() for p in network.trained.values()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    layers = {name: values[names[id(network.trained[name])]].requires_grad_() for name in network.layers}
    first = next(iter(layers.values()))
    images, labels = batch
    images = images.to(first.device, first.dtype, copy=True)
    with isolated(model, "train", seed):
        logits = torch.func.functional_call(model, {**values, **buffers}, (images,))
        loss = cross_entropy(logits, labels.to(first.device))
        gradients = torch.autograd.grad(loss, list(layers.values()), materialize_grads=True)
    return {name: float(gradient.norm()) for name, gradient in zip(layers, gradients, strict=True)}
