"""What a network costs: parameters, bytes and multiply-adds, each compared with the dense network's."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from cops_core.artifact.save import mask_bytes
from cops_core.facts import Accounting, ConnectivityFacts
from cops_core.freeze_net import FreezeNet
from cops_core.mask_code import entropy_bytes
from cops_core.masked.view import names_by_place
from cops_core.models.base import Shape
from cops_core.scores.isolation import isolated

Run = Callable[[nn.Module], object]
DENSE_BYTES = 4  # of a parameter in the dense checkpoint, float32


@dataclass(frozen=True)
class LayerCost:
    """Multiply-adds for one image in one convolution or linear layer.

    A multiply-add per weight and output position, padded positions included.

    Attributes:
        forward: For the output.
        backward: For the gradients of the input and of the weights.
    """

    forward: int
    backward: int

    @property
    def step(self) -> int:
        """Multiply-adds of a training step for one image."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Use:
    """One use of a layer in a forward pass.

    Attributes:
        name: The weight's parameter name.
        weights: The number of weights.
        positions: How often each weight is used for one image.
        inner: Whether the input depends on something that is trained.
    """

    name: str
    weights: int
    positions: int
    inner: bool


def account(
    network: FreezeNet,
    sample: Shape | Run,
    artifact_bytes: int,
    connectivity: ConnectivityFacts | None = None,
    *,
    dense_share: float = 0.0,
) -> Accounting:
    """What the network costs, as JSON values for a trial's record.

    The model is unchanged afterwards; do not use it from another thread meanwhile.

    Args:
        network: The network.
        sample: (channels, height, width) of an image, or a function that runs the network it is given; the
            costs then are those of this run.
        artifact_bytes: The size of its artefact in bytes (see `save_artifact`).
        connectivity: `Connectivity.facts()` of its mask, if known.
        dense_share: The share of the training steps that compute the gradient of all weights, to change the
            mask (see `cops_core.regrow`).

    Returns:
        The counts by name:

        - trained_parameters: kappa weights, all biases and normalisation parameters. stored_parameters: the
          same number, since an artefact stores the trained values and the seed determines all others.
        - factor, bytes_factor: the dense network's parameters, and the bytes of its float32 checkpoint (4 per
          parameter and nothing else), divided by trained_parameters and by artifact_bytes.
        - mask_bytes: of the coded mask and its description. mask_entropy_bytes: log2 C(D, kappa) / 8, a lower
          bound for a code of all masks; a code for masks with uneven layers may be shorter.
        - inference_multiply_adds, training_multiply_adds: for one image in convolution and linear layers;
          biases, normalisation and activations do not count. A training step is the forward pass, the
          gradient of each layer's input (not needed for the first layers), and the gradient of the weights.
          Weights that are zero do not count (with scale 0 only the kept ones count). Frozen weights count in
          the forward pass and in the gradient of the input; only kept ones count in that of the weights. If
          some steps have the gradient of all weights, this is the mean of all steps, rounded.
        - layers: both numbers for each layer.

        These are counts of operations, not measured savings.
    """
    parameters = network.all_parameters
    trained = network.trained_parameters
    uses = _uses(network.model, sample)
    layers = _costs(uses, network, dense_share)
    dense = _costs(uses, None)
    masked = sum(each.kept.shape.numel() for each in network.masked.values())
    kept = sum(len(places) for places in network.places.values())
    found: Accounting = {
        "parameters": parameters,
        "trained_parameters": trained,
        "stored_parameters": trained,
        "factor": parameters / trained,
        "artifact_bytes": artifact_bytes,
        "dense_bytes": DENSE_BYTES * parameters,
        "bytes_factor": DENSE_BYTES * parameters / artifact_bytes,
        "mask_bytes": mask_bytes(network),
        "mask_entropy_bytes": entropy_bytes(masked, kept),
        "inference_multiply_adds": sum(cost.forward for cost in layers.values()),
        "training_multiply_adds": sum(cost.step for cost in layers.values()),
        "dense_inference_multiply_adds": sum(cost.forward for cost in dense.values()),
        "dense_training_multiply_adds": sum(cost.step for cost in dense.values()),
        "layers": {name: {"inference": c.forward, "training": c.step} for name, c in layers.items()},
    }
    if connectivity is not None and connectivity["effective_density"] is not None:
        found["effective_density"] = connectivity["effective_density"]
    return found


def training_multiply_adds(network: FreezeNet, shape: Shape) -> int:
    """Multiply-adds of a training step for one image, see `account`.

    Args:
        network: The network.
        shape: (channels, height, width) of an image.

    Returns:
        The number in convolution and linear layers.
    """
    return sum(cost.step for cost in _costs(_uses(network.model, shape), network).values())


def multiply_adds(model: nn.Module, shape: Shape) -> int:
    """Multiply-adds of a forward pass of the dense network.

    Args:
        model: The model, which is not changed.
        shape: (channels, height, width) of an image.

    Returns:
        The number for one image, in convolution and linear layers.
    """
    return sum(use.weights * use.positions for use in _uses(model, shape))


def _costs(uses: list[Use], network: FreezeNet | None, dense_share: float = 0.0) -> dict[str, LayerCost]:
    """The cost of each layer, by the name of its weight; `network` None: as if all weights were trained."""
    costs: dict[str, LayerCost] = {}
    for use in uses:
        there = trained = use.weights
        if network is not None and use.name in network.places:
            trained = len(network.places[use.name])
            there = trained if network.scale == 0 else use.weights
            trained += round(dense_share * (use.weights - trained))
        before = costs.get(use.name, LayerCost(0, 0))
        costs[use.name] = LayerCost(
            before.forward + there * use.positions,
            before.backward + (trained + there * use.inner) * use.positions,
        )
    return costs


def _uses(model: nn.Module, sample: Shape | Run) -> list[Use]:
    """Every use of a convolution or linear layer for one image of zeros or in a run, in order."""
    names = names_by_place(model)
    uses: list[Use] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if not weight.numel():
            return  # a layer of width 0
        if isinstance(layer, nn.Linear):
            positions = output.numel() // layer.out_features
        else:
            # A transposed convolution spreads each input position over several outputs.
            place = inputs[0] if isinstance(layer, _ConvTransposeNd) else output
            positions = place[0, 0].numel()
        # A weight may be computed from other parameters (weight norm).
        name = names.get((id(layer), "weight"), f"{paths[layer]}.weight")
        uses.append(Use(name, weight.numel(), positions, inputs[0].requires_grad))

    paths = {module: name for name, module in model.named_modules()}
    layers = [module for module in paths if isinstance(module, nn.Linear | _ConvNd)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    first = next(model.parameters())
    try:
        with isolated(model, "eval", seed=0):
            if callable(sample):
                sample(model)
            else:
                model(torch.zeros((1, *sample), dtype=first.dtype, device=first.device))
    finally:
        for hook in hooks:
            hook.remove()
    return uses
