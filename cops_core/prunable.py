"""Which parameters a mask may remove."""

from collections.abc import Callable, Mapping

from torch import nn

from cops_core.masked.view import check_plain


def maskable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The maskable weights: those of convolution and linear layers, in `named_parameters` order."""
    return _owned(model, ("weight",))


def with_biases(model: nn.Module) -> dict[str, nn.Parameter]:
    """The maskable weights and the biases of their layers, in `named_parameters` order."""
    return _owned(model, ("weight", "bias"))


def without_last_layer(model: nn.Module) -> dict[str, nn.Parameter]:
    """The maskable weights except those of the last layer, the classifier, which is trained completely."""
    return dict(list(maskable(model).items())[:-1])


def _owned(model: nn.Module, kinds: tuple[str, ...]) -> dict[str, nn.Parameter]:
    check_plain(model)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)]
    # Not by attribute: that would compute a weight that is made of parameters, and spectral norm would change
    # its buffers.
    owned = {id(layer._parameters.get(kind)) for layer in layers for kind in kinds}
    # A layer of width 0 has no weights: there is nothing to remove.
    return {name: p for name, p in model.named_parameters() if id(p) in owned and p.numel()}


PRUNABLE: Mapping[str, Callable[[nn.Module], dict[str, nn.Parameter]]] = {
    "weights": maskable,
    "weights and biases": with_biases,
    "weights but the last layer's": without_last_layer,
}
