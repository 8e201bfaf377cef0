"""Which weights a mask leaves connected, computed before training.

A kept weight is live if a path of kept weights leads from the input through it to an output; only live
weights count in the effective density (Vysogorets and Kempe 2021, "Connectivity Matters: Neural Network
Pruning Through the Lens of Effective Sparsity", arXiv 2107.02306). The synaptic flow R of the mask m itself
(Tanaka et al. 2020, arXiv 2006.05467) follows all paths at once: R is the sum of the outputs for an input
of ones, where each weight is 1 if kept, else 0. A kept weight is live iff dR/dm > 0.

Only the sign of dR/dm matters. So the flow into and out of each layer is set to 0 or 1, in the forward and
in the backward pass, and nothing overflows or underflows in deep or wide networks.

The model itself runs, with random weights under the mask, and its operations are recorded; R follows them
by rules that never miss a dependence (`cops_core.paths`). What no rule can follow, e.g. values that pass
through numpy, is *unknown*. A network is called collapsed only if no path reaches an output and its outputs
are seen to be the same for random images, with several draws of the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.facts import ConnectivityFacts
from cops_core.paths.call import UnknownPathsError
from cops_core.paths.constant import drawn, images_for, seen_constant
from cops_core.paths.flow import NO_FLOW, Flow, Flows, Kind, signal
from cops_core.paths.rules import follow
from cops_core.paths.tape import Recorder, Tape, difference
from cops_core.prunable import maskable
from cops_core.scores.isolation import isolated
from cops_core.scores.network import Network, network_of


@dataclass(frozen=True)
class Connectivity:
    """How many of a mask's weights a signal can pass through, and where none does.

    Attributes:
        size: D, the number of weights in the mask.
        kept: kappa, the number of kept weights.
        empty_layers: Parameters without any kept weight.
        unknown: Why the paths cannot be followed, in words; None if they can. All attributes below are None
            where they are unknown.
        live: The number of kept weights on a path of kept weights from input to output. A bias, if the mask
            has any, is live if a path leads from it to an output.
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
    empty_layers: tuple[str, ...]
    unknown: str | None = None
    live: int | None = None
    dead_layers: tuple[str, ...] | None = None
    disconnected_shortcuts: tuple[str, ...] | None = None
    outputs: int | None = None
    live_outputs: int | None = None
    collapsed: bool | None = None
    live_weights: Mapping[str, int] | None = None

    @property
    def effective_density(self) -> float | None:
        """live / size, in [0, density]; None if it is unknown."""
        return None if self.live is None else self.live / self.size

    def facts(self) -> ConnectivityFacts:
        """This as JSON values, for a trial's record."""
        facts: ConnectivityFacts = {
            "size": self.size,
            "kept": self.kept,
            "live": self.live,
            "effective_density": self.effective_density,
            "outputs": self.outputs,
            "live_outputs": self.live_outputs,
            "collapsed": self.collapsed,
            "empty_layers": list(self.empty_layers),
            "dead_layers": None if self.dead_layers is None else list(self.dead_layers),
            "disconnected_shortcuts": (
                None if self.disconnected_shortcuts is None else list(self.disconnected_shortcuts)
            ),
            "live_weights": None if self.live_weights is None else dict(self.live_weights),
        }
        if self.unknown is not None:
            facts["unknown"] = self.unknown
        return facts


def connectivity(model: nn.Module, shape: tuple[int, ...], mask: Mapping[str, Tensor]) -> Connectivity:
    """Which weights of a mask are connected in a model, in eval mode.

    Weights that the mask does not name count as kept. Biases carry no flow from the input, so a unit with
    only a bias is not reached. Only the positions of weights and normalisation parameters matter, not their
    values.

    The model and the global random state are unchanged afterwards, also after an error; but do not use the
    model from another thread meanwhile.

    Args:
        model: The model.
        shape: Of one input: (channels, height, width) of an image.
        mask: True where a weight is kept. By name, tensors of the shapes of some weights, or of biases of
            their layers.

    Returns:
        The counts, or why they are unknown.

    Raises:
        InputError: The mask is empty or belongs to another network.
    """
    # In a trial only the first are masked; elsewhere, e.g., attention's weights are, too.
    known_names = {*maskable(model), *(name for name, layer in mask.items() if layer.ndim > 1)}
    network = network_of(model, weight_names=known_names)
    _check(mask, network)
    device = next(iter(network.weights.values())).device
    kept = {name: layer.bool().to(device) for name, layer in mask.items()}
    counts = {name: int(layer.sum()) for name, layer in kept.items()}
    known = Connectivity(
        size=sum(layer.numel() for layer in kept.values()),
        kept=sum(counts.values()),
        empty_layers=tuple(name for name in kept if not counts[name]),
    )
    try:
        passes, outputs = _passes(network, shape, kept)
    except UnknownPathsError as reason:
        return replace(known, unknown=str(reason))
    live = {name: int(passes[name].sum()) for name in passes}
    collapsed = not bool(outputs.any())
    if collapsed and not seen_constant(model, shape, kept):
        return replace(known, unknown="outputs differ from image to image, and no path to them is found")
    return replace(
        known,
        live=sum(live[name] for name in kept),
        dead_layers=tuple(name for name in kept if counts[name] and not live[name]),
        disconnected_shortcuts=tuple(name for name in _shortcuts(model, network) if not live[name]),
        outputs=outputs.numel(),
        live_outputs=int(outputs.sum()),
        collapsed=collapsed,
        live_weights={name: live[name] for name in kept},
    )


def _passes(
    network: Network, shape: tuple[int, ...], kept: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Tensor]:
    """Which weights and which outputs a path leads through, as booleans.

    Args:
        network: The network.
        shape: (channels, height, width) of an image.
        kept: The mask, on the network's device.

    Returns:
        By name, of each maskable weight and bias; and of each output of an image.

    Raises:
        UnknownPathsError: It is not known.
    """
    model = network.model
    first, second = (_record(model, shape, kept, seed) for seed in range(2))
    reason = difference(first.tape, second.tape)
    if reason is not None:
        raise UnknownPathsError(reason)
    names = [*network.weights, *network.biases]
    places = {
        name: kept.get(name, torch.ones_like(model.get_parameter(name), dtype=torch.bool)).double()
        for name in names
    }
    for place in places.values():
        place.requires_grad_()
    try:
        outputs = _follow(first, places)
        gradients = torch.autograd.grad(outputs.sum(), list(places.values()), materialize_grads=True)
    except UnknownPathsError:
        raise
    except Exception as error:  # an operation that no rule foresees
        raise UnknownPathsError(f"the paths cannot be followed ({type(error).__name__})") from error
    found = zip(places.items(), gradients, strict=True)
    return {
        name: (gradient > NO_FLOW) & (place > 0) for (name, place), gradient in found
    }, outputs.detach() > NO_FLOW


@dataclass(frozen=True)
class _Recording:
    """A recorded pass: the tape, the image, and parameters and buffers as they were then, by name."""

    tape: Tape
    image: Tensor
    tensors: Mapping[str, Tensor]


def _record(model: nn.Module, shape: tuple[int, ...], mask: Mapping[str, Tensor], seed: int) -> _Recording:
    """Run a model with random weights and an image of noise."""
    with isolated(model, "eval", seed=0), drawn(model, mask, seed):
        # Batch norm with a batch's own statistics refuses a single image.
        for count in (1, 2):
            image = images_for(model, shape, count, seed)
            tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
            tensors = {name: tensor.detach() for name, tensor in tensors.items()}
            recorder = Recorder([image, *tensors.values()])
            try:
                with recorder:
                    recorder.tape.output = model(image)
                return _Recording(recorder.tape, image, tensors)
            except Exception as error:
                failure = error
        model(image)  # if it fails by itself, too, this raises its own error
    raise UnknownPathsError(f"its operations cannot be recorded ({type(failure).__name__})") from failure


def _follow(recording: _Recording, places: Mapping[str, Tensor]) -> Tensor:
    """The flow of the outputs of one image, flat."""
    flows = Flows(recording.tape.constants)
    for name, tensor in recording.tensors.items():
        present = places.get(name)
        fixed = not (tensor.is_floating_point() or tensor.is_complex())
        if present is None:
            present = tensor.ne(0).double() if fixed else torch.ones_like(tensor, dtype=torch.float64)
        flows.write(tensor, Flow(present, Kind.FIXED if fixed else Kind.TRAINED))
    flows.write(recording.image, Flow(torch.ones_like(recording.image, dtype=torch.float64), Kind.VARIES))
    with torch.enable_grad():
        for operation in recording.tape.operations:
            follow(operation, flows)
        output = recording.tape.output
        if not isinstance(output, Tensor):
            raise UnknownPathsError(f"it returns {type(output).__name__}, not a tensor")
        try:
            flow = flows.read(output)
        except KeyError:
            raise UnknownPathsError("its outputs come from outside of torch's operations") from None
        values = flow.of(Kind.VARIES)
        return signal(values.reshape(len(recording.image), -1).sum(0))


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
