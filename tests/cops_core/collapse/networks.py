"""Networks of every kind of layer, each with its graph."""

import torch
from torch import nn
from torch.nn import functional

from cops_core.prunable import maskable


class Perceptron(nn.Sequential):
    shape = (1, 2, 3)

    def __init__(self, activation=nn.ReLU):
        super().__init__(
            nn.Flatten(), nn.Linear(6, 5), activation(), nn.Linear(5, 4), activation(), nn.Linear(4, 3)
        )

    @staticmethod
    def graph(g, x):
        x = g.linear("1", x.reshape(-1), 5)
        return g.linear("5", g.linear("3", x, 4), 3)


class Convolutional(nn.Module):
    """Grouped and dilated convolutions, max pooling of every geometry, as a module and as a function."""

    shape = (2, 9, 8)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.conv2 = nn.Conv2d(4, 3, 2, dilation=2, bias=False)
        self.drop = nn.Dropout()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = self.pool(functional.relu(self.norm(self.conv1(x)), inplace=True))
        x = functional.max_pool2d(torch.tanh(self.conv2(x)), (2, 2), 1, dilation=2, ceil_mode=True)
        x = functional.dropout(functional.adaptive_max_pool2d(x, 1).flatten(1))
        return functional.log_softmax(self.head(self.drop(x)), 1)

    @staticmethod
    def graph(g, x):
        x = g.pool(g.conv("conv1", x, 4, 3, padding=1, groups=2), 3, 2, padding=1, ceil_mode=True)
        x = g.pool(g.conv("conv2", x, 3, 2, dilation=2), 2, 1, dilation=2, ceil_mode=True)
        return g.mix(g.linear("head", g.global_pool(x), 2))


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        y = self.conv2(torch.relu_(self.norm(self.conv1(x))))
        y += x if self.downsample is None else self.downsample(x)
        return y.relu_()


class Residual(nn.Module):
    shape = (1, 7, 7)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, stride=2, bias=False)
        self.same = Block(2, 2, 1)
        self.down = Block(2, 3, 2)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.down(self.same(self.stem(x))).mean((2, 3)))

    @staticmethod
    def graph(g, x):
        x = g.conv("stem", x, 2, 3, stride=2)
        x = g.add(x, g.conv("same.conv2", g.conv("same.conv1", x, 2, 3, padding=1), 2, 3, padding=1))
        y = g.conv("down.conv2", g.conv("down.conv1", x, 3, 3, stride=2, padding=1), 3, 3, padding=1)
        x = g.add(y, g.conv("down.downsample.0", x, 3, 1, stride=2))
        return g.linear("head", g.global_pool(x), 2)


class Shared(nn.Module):
    """One layer used twice, under two names."""

    shape = (1, 1, 4)

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(functional.gelu(self.second(self.first(x.flatten(1)).sigmoid())))

    @staticmethod
    def graph(g, x):
        return g.linear("head", g.linear("first", g.linear("first", x.reshape(-1), 4), 4), 2)


NETWORKS = [Perceptron, Convolutional, Residual, Shared]


def full(model, but=(), of=maskable):
    """The mask of everything, but the parameters named `but`."""
    return {name: torch.full(p.shape, name not in but) for name, p in of(model).items()}
