"""Which weights a mask leaves connected, computed before training.

A kept weight is live if a path of kept weights leads from the input through it to an output; only live
weights count in the effective density (Vysogorets and Kempe 2021, "Connectivity Matters: Neural Network
Pruning Through the Lens of Effective Sparsity", arXiv 2107.02306). The synaptic flow R of the mask m itself
(Tanaka et al. 2020, arXiv 2006.05467) follows all paths at once: R is the sum of the outputs for an input
of ones, where each weight is 1 if kept, else 0. A kept weight is live iff dR/dm > 0.

Only the sign of dR/dm matters. So the flow into and out of each layer is set to 0 or 1, in the forward and
in the backward pass, and nothing overflows or underflows in deep or wide networks.
`cops_core.signal_paths` documents how the functions between the layers are replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.facts import ConnectivityFacts
from cops_core.scores.isolation import isolated
from cops_core.scores.network import Network, network_of
from cops_core.scores.problem import differentiate
from cops_core.scores.substitutes import InDouble
from cops_core.signal_paths import NO_FLOW, FollowPaths


@dataclass(frozen=True)
class Connectivity:
    """How many of a mask's weights a signal can pass through, and where none does.

    Attributes:
        size: D, the number of weights in the mask.
        kept: kappa, the number of kept weights.
        live: The number of kept weights on a path of kept weights from input to output. A bias, if the mask
            has any, is live if a path leads from it to an output.
        empty_layers: Parameters without any kept weight.
        dead_layers: Parameters with kept weights, none of them live.
        disconnected_shortcuts: Weights of projection shortcuts through which nothing flows. Such a shortcut
            is a block's `downsample` in torchvision's ResNets.
        outputs: The number of the network's outputs.
        live_outputs: The number of outputs that a path leads to. The others are the same for every image:
            their classes are disconnected.
        collapsed: Whether nothing flows from input to output: the network's output is constant.
        live_weights: The number of live weights of each layer of the mask, by parameter name.
    """

    size: int
    kept: int
    live: int
    empty_layers: tuple[str, ...]
    dead_layers: tuple[str, ...]
    disconnected_shortcuts: tuple[str, ...]
    outputs: int
    live_outputs: int
    collapsed: bool
    live_weights: Mapping[str, int]

    @property
    def effective_density(self) -> float:
        """live / size, in [0, density]."""
        return self.live / self.size

    def facts(self) -> ConnectivityFacts:
        """This as JSON values, for a trial's record."""
        return {
            "size": self.size,
            "kept": self.kept,
            "live": self.live,
            "effective_density": self.effective_density,
            "outputs": self.outputs,
            "live_outputs": self.live_outputs,
            "collapsed": self.collapsed,
            "empty_layers": list(self.empty_layers),
            "dead_layers": list(self.dead_layers),
            "disconnected_shortcuts": list(self.disconnected_shortcuts),
            "live_weights": dict(self.live_weights),
        }


def connectivity(model: nn.Module, shape: tuple[int, int, int], mask: Mapping[str, Tensor]) -> Connectivity:
    """Which weights of a mask are connected in a model, from one forward and backward pass of one image.

    Weights that the mask does not name count as kept. Biases carry no flow from the input, so a unit with
    only a bias is not reached. Only the positions of weights and normalisation parameters matter, not their
    values.

    The model and the global random state are unchanged afterwards, also after an error; but do not use the
    model from another thread meanwhile.

    Args:
        model: The model.
        shape: (channels, height, width) of an image.
        mask: True where a weight is kept. By name, tensors of the shapes of some maskable weights, or of
            biases of their layers.

    Returns:
        The counts.

    Raises:
        InputError: The mask is empty or belongs to another network, or the model uses the indices of a max
            pooling, where the paths depend on the values.
    """
    network = network_of(model)
    _check(mask, network)
    rest = {name: t.double() if t.is_floating_point() else t for name, t in network.rest.items()}
    network = replace(network, rest=rest)
    device = next(iter(network.weights.values())).device
    kept = {name: layer.bool().to(device) for name, layer in mask.items()}
    present = {
        name: kept.get(name, torch.ones_like(w, dtype=torch.bool)) for name, w in network.weights.items()
    }
    places = {name: layer.double() for name, layer in present.items()}
    places |= {name: torch.zeros_like(rest[name]) for name in network.biases}
    image = torch.ones((1, *shape), dtype=torch.float64, device=device)
    sources = [*places.values(), image]
    flows = image

    def value() -> Tensor:
        nonlocal flows
        flows = network.logits(places, image)
        return flows.sum()

    with isolated(model, "eval", seed=0):
        for tensor in sources:
            tensor.requires_grad_()
        with InDouble(), FollowPaths():
            *gradients, into_image = network.holding(places, lambda: differentiate(value, sources))
    passes = {name: gradient > NO_FLOW for name, gradient in zip(places, gradients, strict=True)}
    live = {name: int((passes[name] & layer).sum()) for name, layer in {**present, **kept}.items()}
    counts = {name: int(layer.sum()) for name, layer in kept.items()}
    return Connectivity(
        size=sum(layer.numel() for layer in kept.values()),
        kept=sum(counts.values()),
        live=sum(live[name] for name in kept),
        empty_layers=tuple(name for name in kept if not counts[name]),
        dead_layers=tuple(name for name in kept if counts[name] and not live[name]),
        disconnected_shortcuts=tuple(name for name in _shortcuts(model, network) if not live[name]),
        outputs=flows.numel(),
        live_outputs=int((flows > NO_FLOW).sum()),
        collapsed=not bool((into_image > NO_FLOW).any()),
        live_weights={name: live[name] for name in kept},
    )


def _shortcuts(model: nn.Module, network: Network) -> list[str]:
    """The maskable weights inside a block's `downsample`, found by that name: torchvision is not needed."""
    projections = [getattr(block, "downsample", None) for block in model.modules()]
    inside = {id(p) for part in projections if isinstance(part, nn.Module) for p in part.parameters()}
    return [name for name, p in model.named_parameters() if id(p) in inside and name in network.weights]


def _check(mask: Mapping[str, Tensor], network: Network) -> None:
    """Raise InputError unless `mask` names some of the network's weights and biases, in their shapes."""
    if not mask:
        raise InputError("the mask names no weight: pass the mask of at least one layer")
    known = {**network.weights, **{name: network.rest[name] for name in network.biases}}
    for name, layer in mask.items():
        expected = tuple(known[name].shape) if name in known else "nothing"
        if tuple(layer.shape) != expected:
            raise InputError(
                f"the mask has shape {tuple(layer.shape)} at {name!r} where the model has {expected}:"
                " pass a mask of this model"
            )
