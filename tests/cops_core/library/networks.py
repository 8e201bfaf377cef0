"""Networks as strangers write them: several inputs, keywords, tied weights, outputs that are no tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


class Regression(nn.Module):
    """Two inputs, one number."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 6), nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head(torch.tanh(self.left(left) * self.right(right)))


class Language(nn.Module):
    """A language model: keywords only, a tied embedding, an output with a loss."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 11, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, *, input_ids: Tensor, labels: Tensor | None = None) -> Output:
        mask = nn.Transformer.generate_square_subsequent_mask(
            input_ids.shape[1], dtype=torch.get_default_dtype()
        )
        logits = self.head(self.body(self.embedding(input_ids), mask=mask.to(self.head.weight)))
        if labels is None:
            return Output(logits)
        return Output(logits, functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))


class Signal(nn.Module):
    """1-D, transposed and depthwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(2, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(4, 4, 3, padding=1, groups=4),
            nn.ReLU(),
            nn.ConvTranspose1d(4, 3, 2, stride=2),
        )

    def forward(self, signal: Tensor) -> Tensor:
        return self.body(signal)


class Volume(nn.Module):
    """A 3-D convolution, and logits."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(1, 3, 2),
            nn.BatchNorm3d(3),
            nn.ReLU(),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(3, 4),
        )

    def forward(self, volume: Tensor) -> Tensor:
        return self.body(volume)


class Recurrent(nn.Module):
    """An LSTM, a cell and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.cell = nn.GRUCell(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, steps: Tensor) -> Tensor:
        hidden, _ = self.lstm(steps)
        return self.head(self.cell(hidden[:, -1]))


def build(kind: type[nn.Module], dtype: torch.dtype = torch.float64) -> nn.Module:
    """A network with the same values at each call."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return kind().to(dtype)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, the same at each call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
