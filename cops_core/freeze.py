"""The arms: what the weights outside the mask are, and that nothing ever moves them."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cops_core.initialization import initial_value
from cops_core.mask import Mask

# theta = scale * theta0 * (1 - m) + scatter(m, v); the dense arm has no mask.
SCALES: Mapping[str, float] = {"prune": 0.0, "freeze": 1.0}


class DriftError(RuntimeError):
    """A weight outside the mask is not what the arm says it is."""


class FreezeNet:
    """A model of which only the kept weights are trained: theta = scale theta0 (1 - m) + scatter(m, v).

    The kappa values v, one vector per layer, are the only weights that an optimizer sees, together
    with the biases and normalisation parameters (`trained`). Weight decay and momentum therefore
    cannot reach a weight outside the mask. The model's code is not changed: v is written into its
    weights before each forward pass, and the gradient of each weight is gathered into v's.

    model: already holds theta0, on its device. mask: None trains everything (the dense arm);
    parameters that it does not name are trained whole.
    scale: of theta0 outside the mask: 0 prunes, 1 freezes (FreezeNet, arXiv 2011.14087).
    """

    def __init__(self, model: nn.Module, mask: Mask | None, scale: float = 1.0) -> None:
        self.model = model
        self.scale = scale
        self.trained: dict[str, nn.Parameter] = dict(model.named_parameters())
        self._weights: dict[str, nn.Parameter] = {}
        self._places: dict[str, Tensor] = {}
        for name, layer in (mask or {}).items():
            weight = self._weights[name] = model.get_parameter(name)
            keep = layer.to(weight.device)
            with torch.no_grad():
                weight.copy_(torch.where(keep, weight, weight * scale if scale else torch.zeros_like(weight)))
                places = keep.reshape(-1).nonzero().squeeze(1)
                values = nn.Parameter(weight.reshape(-1)[places])
            self._places[name] = places
            self.trained[name] = values
            weight.register_post_accumulate_grad_hook(_gather(places, values))  # type: ignore[no-untyped-call]

    def start_from(self, values: Mapping[str, Tensor]) -> None:
        """Other initial values for the trained weights, by parameter name, each of shape (kept,)."""
        with torch.no_grad():
            for name, start in values.items():
                self.trained[name].copy_(start)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of shape (N, classes)."""
        self._scatter()
        output: Tensor = self.model(images)
        return output

    def _scatter(self) -> None:
        with torch.no_grad():
            for name, places in self._places.items():
                self._weights[name].view(-1)[places] = self.trained[name]

    @property
    def trained_parameters(self) -> int:
        """The number of trained parameters: kappa weights, all biases and normalisation parameters."""
        return sum(parameter.numel() for parameter in self.trained.values())

    def state(self) -> dict[str, Tensor]:
        """Everything that training changes: trained values and buffers. Proportional to kappa, not D."""
        return {
            **{name: parameter.detach() for name, parameter in self.trained.items()},
            **dict(self.model.named_buffers()),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(state[name])

    def audit(self, seed: int, initialization: str) -> None:
        """Rebuild theta0 from the seed and compare every weight outside the mask with it, bit for bit.

        Raises DriftError if one differs.
        """
        self._scatter()
        for name, places in self._places.items():
            weight = self._weights[name]
            theta0 = initial_value(name, weight.shape, seed, initialization).to(weight)
            expected = theta0 * self.scale if self.scale else torch.zeros_like(theta0)
            expected.view(-1)[places] = self.trained[name].detach()
            if not torch.equal(_bits(expected), _bits(weight.detach())):
                raise DriftError(f"weights of {name} outside the mask have moved")


def _gather(places: Tensor, values: nn.Parameter) -> Callable[[Tensor], None]:
    """A hook that turns the gradient of a whole weight into the gradient of its trained values."""

    def hook(weight: Tensor) -> None:
        assert weight.grad is not None
        gradient = weight.grad.reshape(-1)[places]
        values.grad = gradient if values.grad is None else values.grad + gradient
        weight.grad = None

    return hook


def _bits(weight: Tensor) -> Tensor:
    """The bit patterns of a floating point tensor, so that -0.0 differs from 0.0."""
    return weight.contiguous().view(torch.int64 if weight.dtype == torch.float64 else torch.int32)
