"""FreezeNet: a network of which only some weights are trained, and an audit that the others never change."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.arms import Scale
from cops_core.errors import DriftError, InputError, listed
from cops_core.initialization import initial_weight
from cops_core.mask import Mask
from cops_core.masked.apply import apply_mask
from cops_core.masked.view import MaskedWeight, parameters_by_plain_name
from cops_core.prunable import maskable

PRUNED = Scale(0.0)
FROZEN = Scale(1.0)


class FreezeNet:
    """A trial's network: a masked model, with the names that its weights have in the plain model.

    theta = scale theta0 (1 - m) + scatter(m, v). An optimizer receives only the kappa values v (one tensor
    per layer), the biases and the normalisation parameters. So weight decay and momentum cannot change a
    weight outside the mask. See `cops_core.masked` for how a model is masked.

    Args:
        model: The model with theta0 as its weights, on its device. It is masked in place.
        mask: The kept weights. None trains everything (the dense arm). Parameters that the mask does not
            name are trained completely.
        scale: The factor of theta0 outside the mask: `PRUNED`, `FROZEN` (FreezeNet, arXiv 2011.14087), a
            constant in between, or one that decays (FreezeNet-WD).

    Attributes:
        model: The model.
        trained: By plain parameter name, the values v of each layer of the mask (see
            `KeptWeights.vector_shape`), and all other parameters.
        layers: The names of the weights of convolution and linear layers.
        masked: The masked weights, by parameter name.
        own_initial: By parameter name, all initial values of what has a mask but is not drawn by the project
            (biases).
    """

    def __init__(self, model: nn.Module, mask: Mask | None, scale: Scale = FROZEN) -> None:
        self.model = model
        self.layers = list(maskable(model))
        self.own_initial = {
            name: model.get_parameter(name).detach().clone() for name in mask or {} if name not in self.layers
        }
        self._decaying = None if mask is None else apply_mask(model, mask, scale)
        self._scale = scale.start
        found = parameters_by_plain_name(model)
        self.masked = {name: each for name, each in found.items() if isinstance(each, MaskedWeight)}
        self.trained: dict[str, nn.Parameter] = {
            name: each.values if isinstance(each, MaskedWeight) else each for name, each in found.items()
        }
        self._parameters = dict(model.named_parameters())

    @property
    def places(self) -> dict[str, Tensor]:
        """By parameter name, the positions of v in the flattened weight, ascending, shape (kept,)."""
        return {name: each.kept.places for name, each in self.masked.items()}

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
                self.trained[name].copy_(start.view(self.trained[name].shape))

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of shape (N, classes)."""
        output: Tensor = self.model(images)
        return output

    @property
    def trained_parameters(self) -> int:
        """The number of trained parameters: kappa weights, all biases and normalisation parameters."""
        return sum(parameter.numel() for parameter in self.trained.values())

    @property
    def all_parameters(self) -> int:
        """The number of parameters of the plain model."""
        masked = sum(each.kept.shape.numel() - each.values.numel() for each in self.masked.values())
        return self.trained_parameters + masked

    @property
    def dense_bytes(self) -> int:
        """The size in bytes of all masked weights with the values outside the mask, as of their gradients."""
        sizes = (each.kept.shape.numel() * each.values.element_size() for each in self.masked.values())
        return sum(sizes)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All that training changes: trained values, buffers, the scale. Size proportional to kappa.

        Each kind has a dict of its own: a user's parameter or buffer may have any name.
        """
        return {
            "trained": {
                name: values.detach().view(-1) if name in self.masked else values.detach()
                for name, values in self.trained.items()
            },
            "buffers": dict(self.model.named_buffers()),
            "arm": {} if self._decaying is None else {"scale": self._decaying.detach().view(())},
        }

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what `state` returned, of a network for which `fits` is true."""
        ours = self.state()
        with torch.no_grad():
            for kind in ("trained", "arm"):
                for name, tensor in ours[kind].items():
                    tensor.copy_(state[kind][name])
            self._load_buffers(ours["buffers"], state["buffers"])

    def move(self, places: Mapping[str, Tensor]) -> None:
        """Train other places than before, see `KeptWeights.move`.

        Args:
            places: By parameter name, ascending, as many as before in each layer.
        """
        for name, each in places.items():
            self.masked[name].kept.move(each)

    def mask(self) -> Mask:
        """The current mask."""
        layers = {}
        for name, each in self.masked.items():
            layers[name] = torch.zeros(each.kept.shape, dtype=torch.bool)
            layers[name].view(-1)[each.kept.places.cpu()] = True
        return Mask(layers)

    def can_move(self, places: Mapping[str, Any]) -> bool:
        """Whether `move` accepts places: ascending, and as many as before in each layer."""
        return places.keys() == self.masked.keys() and all(
            _alike(each.kept.places, places[name])
            and bool((places[name].diff() > 0).all())
            and all(0 <= end < each.kept.shape.numel() for end in places[name][[0, -1]].tolist())
            for name, each in self.masked.items()
            if each.kept.places.numel() or places[name].numel()
        )

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
        expected, found = self._parameters, dict(self.model.named_parameters())
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
        for name, masked in self.masked.items():
            weight = masked.kept.current(masked.values)
            theta0 = self.own_initial.get(name)
            if theta0 is None:
                theta0 = initial_weight(name, weight.shape, seed, initialization).to(weight)
            expected = theta0 * self.scale if self.scale else torch.zeros_like(theta0)
            expected.view(-1)[masked.kept.places] = masked.values.detach().view(-1)
            if not torch.equal(_bits(expected), _bits(weight)):
                raise DriftError(f"weights of {name} outside the mask have changed")


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _bits(weight: Tensor) -> Tensor:
    """The bit patterns of a floating point tensor, so that -0.0 differs from 0.0."""
    return weight.contiguous().view(torch.int64 if weight.dtype == torch.float64 else torch.int32)
