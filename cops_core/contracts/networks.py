"""Small networks, each with one difficulty, and a batch for them, to check scores."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

SHAPE, CLASSES, SAMPLES = (2, 6, 6), 3, 8


def plain() -> nn.Module:
    """A smooth network: a convolution and two linear layers."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4), nn.Tanh(), nn.Linear(4, 3)
    )


def rectified() -> nn.Module:
    """A network with an in-place operation."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)
    )


def batch_norm() -> nn.Module:
    """A network that couples the samples of a batch, and has running statistics."""
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(48, 4),
        nn.BatchNorm1d(4, momentum=None),
        nn.Tanh(),
        nn.Linear(4, 3),
    )
    return _used(model)


class TiedNetwork(nn.Module):
    """A network in which two layers share a weight, each with its own bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(72, 5)
        self.second = nn.Linear(5, 5)
        self.third = nn.Linear(5, 5)
        self.third.weight = self.second.weight
        self.head = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (N, 3)."""
        hidden = torch.tanh(self.first(images.flatten(1)))
        logits: Tensor = self.head(torch.tanh(self.third(torch.tanh(self.second(hidden)))))
        return logits


def frozen() -> nn.Module:
    """A network with a weight and a bias that are not trained."""
    model = plain()
    model.get_parameter("0.weight").requires_grad_(False)
    model.get_parameter("5.bias").requires_grad_(False)
    return model


def dropout() -> nn.Module:
    """A network that is random in train mode."""
    return nn.Sequential(
        nn.Dropout2d(0.5), nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 3)
    )


class ResidualBlock(nn.Module):
    """tanh(norm(conv x) + shortcut x); the shortcut is the identity if the numbers of channels are equal.

    Args:
        inputs: Input channels.
        outputs: Output channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output, shape (N, outputs, height, width)."""
        return torch.tanh(self.norm(self.conv(images)) + self.shortcut(images))


def residual() -> nn.Module:
    """A network with a projection and an identity shortcut, and the mean over the image at its end."""
    model = nn.Sequential(
        ResidualBlock(2, 3), ResidualBlock(3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    )
    return _used(model)


def _used(model: nn.Module) -> nn.Module:
    """The model, with normalisation layers as after some training: no value is one or zero."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "rectified": rectified,
    "batch_norm": batch_norm,
    "tied": TiedNetwork,
    "frozen": frozen,
    "dropout": dropout,
    "residual": residual,
}


def build(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A new network, the same at every call; its biases are not zero.

    Args:
        name: A key of `NETWORKS`.
        dtype: The type of its weights.

    Returns:
        The network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return NETWORKS[name]().to(dtype)


def batch() -> tuple[Tensor, Tensor]:
    """Images of shape (8, 2, 6, 6), float64, and their labels."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn((SAMPLES, *SHAPE), generator=generator, dtype=torch.float64)
    return images, torch.arange(SAMPLES) % CLASSES
