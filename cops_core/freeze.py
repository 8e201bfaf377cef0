"""FreezeNet: a network of which only some weights are trained, and an audit that the others never change."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.arms import Scale
from cops_core.errors import InputError, listed
from cops_core.initialization import initial_weight
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.sparse import SparseLinear, is_plain, pays

PRUNED = Scale(0.0)
FROZEN = Scale(1.0)


class DriftError(RuntimeError):
    """A weight outside the mask does not have the value that the arm requires."""


class FreezeNet:
    """A model of which only the kept weights are trained: theta = scale theta0 (1 - m) + scatter(m, v).

    An optimizer receives only the kappa values v (one vector per layer), the biases and the normalisation
    parameters. So weight decay and momentum cannot change a weight outside the mask. The model's code is not
    changed: v is written into its weights before each forward pass, and each weight's gradient is gathered
    into v's. Linear layers with few trained weights compute only the gradients of these (see
    `cops_core.sparse`).

    Args:
        model: The model with theta0 as its weights, on its device. From then on it belongs to this network:
            call it only through this network.
        mask: The kept weights. None trains everything (the dense arm). Parameters that the mask does not
            name are trained completely.
        scale: The factor of theta0 outside the mask: `PRUNED`, `FROZEN` (FreezeNet, arXiv 2011.14087), a
            constant in between, or one that decays (FreezeNet-WD).

    Attributes:
        model: The model.
        trained: By parameter name, the values v of each layer of the mask, shape (kept,), and all other
            parameters.
        places: By parameter name, the positions of v in the flattened weight, ascending, shape (kept,).
        own_initial: By parameter name, all initial values of what has a mask but is not drawn by the project
            (biases).
    """

    def __init__(self, model: nn.Module, mask: Mask | None, scale: Scale = FROZEN) -> None:
        self.model = model
        self.trained: dict[str, nn.Parameter] = dict(model.named_parameters())
        self.places: dict[str, Tensor] = {}
        self.own_initial: dict[str, Tensor] = {}
        self._decaying = _parameter_of(scale, model) if scale.decays else None
        self._scale = scale.start
        self._weights: dict[str, nn.Parameter] = {}
        self._outside: dict[str, Tensor] = {}  # theta0 outside the mask, if the scale decays
        self._written: dict[str, tuple[int, int]] = {}  # which versions of v and the scale are in the model
        self._sparse: dict[str, SparseLinear] = {}
        drawn = maskable(model)
        for name, layer in (mask or {}).items():
            if name not in drawn:
                self.own_initial[name] = model.get_parameter(name).detach().clone()
            self._train_some(name, layer)
        self._speed_up()

    def _train_some(self, name: str, layer: Tensor) -> None:
        """Train the weights of one parameter that `layer` keeps."""
        weight = self._weights[name] = self.model.get_parameter(name)
        weight.data = weight.data.contiguous()  # positions assume it; a model may have another order
        keep = layer.to(weight.device)
        places = self.places[name] = keep.reshape(-1).nonzero().squeeze(1)
        values = self.trained[name] = nn.Parameter(weight.detach().reshape(-1)[places])
        with torch.no_grad():
            if self._decaying is not None:
                self._outside[name] = weight.detach().masked_fill(keep, 0)
            scaled = weight * self._scale if self._scale else torch.zeros_like(weight)
            weight.copy_(torch.where(keep, weight, scaled))
        self._written[name] = self._version(values)
        trained = weight.requires_grad
        weight.requires_grad_()  # a hook requires it; the model may train the weight later
        weight.register_post_accumulate_grad_hook(_gather(places, values))  # type: ignore[no-untyped-call]
        weight.requires_grad_(trained)

    def _speed_up(self) -> None:
        """Replace the products of plain linear layers with few trained weights by sparse ones.

        The weight itself is written before each forward pass as all others are. So whatever else reads it, a
        function, another layer, a checkpoint, reads the trained values, and its gradient is gathered.
        """
        owners: dict[int, list[nn.Module]] = {}
        for module in self.model.modules():
            for parameter in module.parameters(recurse=False):
                owners.setdefault(id(parameter), []).append(module)
        zero = self._scale == 0 and self._decaying is None
        for name, weight in self._weights.items():
            layer, *others = owners[id(weight)]
            if not others and is_plain(layer) and pays(weight, len(self.places[name])):
                sparse = SparseLinear(layer, self.places[name], self.trained[name], zero)
                layer.forward = sparse  # type: ignore[method-assign]
                self._sparse[name] = sparse

    @property
    def scale(self) -> float:
        """The current factor of theta0 outside the mask."""
        return self._scale if self._decaying is None else float(self._decaying.detach())

    def parameters(self) -> list[nn.Parameter]:
        """The parameters for an optimizer: all that is trained, and the scale if it decays."""
        return [*self.trained.values(), *([] if self._decaying is None else [self._decaying])]

    def start_from(self, values: Mapping[str, Tensor]) -> None:
        """Other initial values for the trained weights, by parameter name, each of shape (kept,)."""
        with torch.no_grad():
            for name, start in values.items():
                self.trained[name].copy_(start)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of shape (N, classes)."""
        self.write()
        output: Tensor = self.model(images)
        if self._decaying is not None:
            output = _ZeroGradient.apply(output, self._decaying)  # type: ignore[no-untyped-call]
        return output

    def write(self) -> None:
        """Write v, and the weights outside the mask if the scale has changed, into the model."""
        with torch.no_grad():
            for name, values in self.trained.items():
                if name not in self.places or self._written[name] == self._version(values):
                    continue
                weight = self._weights[name]
                if name in self._outside:
                    torch.mul(self._outside[name], self.scale, out=weight)
                weight.view(-1).index_copy_(0, self.places[name], values)
                self._written[name] = self._version(values)

    def _version(self, values: Tensor) -> tuple[int, int]:
        """Counts of the changes that torch has made to v and to the scale."""
        return values._version, 0 if self._decaying is None else self._decaying._version

    @property
    def trained_parameters(self) -> int:
        """The number of trained parameters: kappa weights, all biases and normalisation parameters."""
        return sum(parameter.numel() for parameter in self.trained.values())

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All that training changes: trained values, buffers, the scale. Size proportional to kappa.

        Each kind has a dict of its own: a user's parameter or buffer may have any name.
        """
        return {
            "trained": {name: parameter.detach() for name, parameter in self.trained.items()},
            "buffers": dict(self.model.named_buffers()),
            "arm": {} if self._decaying is None else {"scale": self._decaying.detach()},
        }

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what `state` returned, of a network for which `fits` is true."""
        ours = self.state()
        with torch.no_grad():
            for kind in ("trained", "arm"):
                for name, tensor in ours[kind].items():
                    tensor.copy_(state[kind][name])
            self._load_buffers(ours["buffers"], state["buffers"])

    def fits(self, state: Mapping[str, Any]) -> bool:
        """Whether a state belongs to a network like this one: with the same names, shapes and types."""
        ours = self.state()
        return state.keys() == ours.keys() and all(
            state[kind].keys() == ours[kind].keys()
            and all(_alike(tensor, state[kind][name]) for name, tensor in ours[kind].items())
            for kind in ("trained", "arm")
        )

    def check_parameters(self) -> None:
        """Check that the model still has the parameters that are trained.

        Raises:
            InputError: Its own code has made, replaced or removed one since it was built.
        """
        expected = {**self.trained, **self._weights}
        found = dict(self.model.named_parameters())
        changed = [n for n in found.keys() | expected.keys() if found.get(n) is not expected.get(n)]
        if changed:
            raise InputError(
                f"the network makes or replaces parameters while it runs ({listed(sorted(changed))}),"
                " which are not trained: make them where the network is built"
            )

    def _load_buffers(self, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
        """Restore buffers, also those that the network has made, replaced or removed while it trained."""
        for name in ours.keys() | theirs.keys():
            before, after = ours.get(name), theirs.get(name)
            if before is not None and after is not None and _alike(before, after):
                before.copy_(after)
                continue
            path, _, leaf = name.rpartition(".")
            module = self.model.get_submodule(path)
            if leaf not in module._buffers:
                module.register_buffer(leaf, None)
            module._buffers[leaf] = None if after is None else after.clone()

    def audit(self, seed: int, initialization: str) -> None:
        """Rebuild theta0 from the seed and compare every weight outside the mask with it, bit for bit.

        Args:
            seed: The trial's, in [0, 2**32).
            initialization: A key of `INITIALIZATIONS`.

        Raises:
            DriftError: A weight differs.
        """
        self.write()
        for name, places in self.places.items():
            weight = self._weights[name]
            theta0 = self.own_initial.get(name)
            if theta0 is None:
                theta0 = initial_weight(name, weight.shape, seed, initialization).to(weight)
            expected = theta0 * self.scale if self.scale else torch.zeros_like(theta0)
            expected.view(-1)[places] = self.trained[name].detach()
            if not torch.equal(_bits(expected), _bits(weight.detach())):
                raise DriftError(f"weights of {name} outside the mask have changed")


def _parameter_of(scale: Scale, model: nn.Module) -> nn.Parameter:
    """A scale as a parameter, of the weights' type and on their device."""
    like = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(()))
    return nn.Parameter(torch.tensor(scale.start, dtype=like.dtype, device=like.device))


class _ZeroGradient(torch.autograd.Function):
    """`output` itself, and a zero gradient for `scale`: SGD skips parameters without a gradient."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (scale,) = ctx.saved_tensors
        return gradients[0], torch.zeros_like(scale)


def _gather(places: Tensor, values: nn.Parameter) -> Callable[[Tensor], None]:
    """A hook that turns the gradient of a whole weight into the gradient of its trained values."""

    def hook(weight: Tensor) -> None:
        assert weight.grad is not None
        gradient = weight.grad.reshape(-1).index_select(0, places)
        values.grad = gradient if values.grad is None else values.grad + gradient
        weight.grad = None

    return hook


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _bits(weight: Tensor) -> Tensor:
    """The bit patterns of a floating point tensor, so that -0.0 differs from 0.0."""
    return weight.contiguous().view(torch.int64 if weight.dtype == torch.float64 else torch.int32)
