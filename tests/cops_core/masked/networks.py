"""Networks to mask, the same values at each call, and masks and batches for them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

import cops_core as cops
from cops_core.mask import Mask


class Tied(nn.Module):
    """An embedding whose weight is the last layer's, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 6)
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 12)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(self.embedding(tokens))))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(120, 100), nn.Tanh(), nn.Linear(100, 20), nn.Tanh(), nn.Linear(20, 12))


def cnn() -> nn.Module:
    body = [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=2, bias=False), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(24, 12))


def batch_norm() -> nn.Module:
    body = [nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3)]
    return nn.Sequential(*body, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 12))


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "batch norm": batch_norm,
    "tied": Tied,
}
SHAPES = {"mlp": (120,), "cnn": (2, 6, 6), "batch norm": (2, 6, 6)}

ARMS: dict[str, Callable[[nn.Module, Mask], nn.Module]] = {
    "prune": cops.prune,
    "freeze": cops.freeze,
    "scale": lambda model, mask: cops.scale(model, mask, 0.5),
    "freeze_wd": lambda model, mask: cops.freeze(model, mask, decay=True),
}


def build(name: str = "mlp", dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return BUILDERS[name]().to(dtype)


def mask_of(model: nn.Module, density: float = 0.1, dimensions: int = 2, seed: int = 1) -> Mask:
    """A random mask of all parameters with as many dimensions or more."""
    generator = torch.Generator().manual_seed(seed)
    named = {name: each for name, each in model.named_parameters() if each.ndim >= dimensions}
    return Mask({name: torch.rand(each.shape, generator=generator) < density for name, each in named.items()})


def masked(
    name: str = "mlp", arm: str = "freeze", density: float = 0.1, dtype: torch.dtype = torch.float32
) -> nn.Module:
    model = build(name, dtype)
    return ARMS[arm](model, mask_of(model, density))


def batch(name: str = "mlp", seed: int = 0, size: int = 16, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if name == "tied":
        return torch.randint(0, 12, (size,), generator=generator)
    return torch.randn((size, *SHAPES[name]), generator=generator, dtype=dtype)


def labels(size: int = 16) -> Tensor:
    return torch.arange(size) * 5 % 12


def loss_of(model: nn.Module, inputs: Tensor) -> Tensor:
    return functional.cross_entropy(model(inputs), labels(len(inputs)))


def step(model: nn.Module, optimizer: Optimizer, inputs: Tensor) -> float:
    optimizer.zero_grad()
    loss = loss_of(model, inputs)
    loss.backward()
    optimizer.step()
    return float(loss.detach())
