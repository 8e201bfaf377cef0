"""The oracle for any network: which weights move what differs between two images, by autograd, in float64."""

from copy import deepcopy

import torch

from cops_core.paths.constant import drawn


def live_by_gradients(model, shape, mask, draws=6, seed=0, biases=True):
    """The number of weights of each layer that the difference of two images' outputs depends on.

    Without biases, a weight behind a unit that no image reaches does not count as one.
    """
    model = deepcopy(model).double().eval()
    live = {name: torch.zeros(layer.shape, dtype=torch.bool) for name, layer in mask.items()}
    for draw in range(draws):
        images = torch.randn(
            2, *shape, generator=torch.Generator().manual_seed(seed + draw), dtype=torch.float64
        )
        with drawn(model, mask, seed + draw):
            for name, parameter in model.named_parameters():
                if name.endswith("bias") and not biases:
                    parameter.data.zero_()
            outputs = model(images).reshape(2, -1)
            difference = outputs[0] - outputs[1]
            weights = [model.get_parameter(name) for name in mask]
            for output in difference:
                if not output.requires_grad:
                    continue
                gradients = torch.autograd.grad(
                    output, weights, retain_graph=True, materialize_grads=True, allow_unused=True
                )
                for name, gradient in zip(mask, gradients, strict=True):
                    live[name] |= gradient.abs() > 1e-10
    return {name: int((where & mask[name]).sum()) for name, where in live.items()}
