"""The residual networks of 6n + 2 layers for small images (He et al. 2016, section 4.2)."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import pad

from cops_core.models.base import Shape

WIDTHS = (16, 32, 64)


def resnet20(shape: Shape, classes: int) -> nn.Module:
    """ResNet-20 for CIFAR, shortcuts without parameters. 269,722 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _resnet(3, shape[0], classes)


def resnet32(shape: Shape, classes: int) -> nn.Module:
    """ResNet-32 for CIFAR, shortcuts without parameters. 464,154 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _resnet(5, shape[0], classes)


def resnet56(shape: Shape, classes: int) -> nn.Module:
    """ResNet-56 for CIFAR, shortcuts without parameters. 853,018 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _resnet(9, shape[0], classes)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut without parameters (the paper's option A).

    Where the block halves the image, the shortcut takes every second pixel and fills new channels with zeros.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added = outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """The block's output, of shape (N, outputs, height / stride, width / stride), rounded up."""
        residual = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self.stride, :: self.stride] if self.stride > 1 else images
        if self.added:
            before = self.added // 2
            shortcut = pad(shortcut, (0, 0, 0, 0, before, self.added - before))
        out: Tensor = self.relu2(residual + shortcut)
        return out


def _resnet(blocks: int, channels: int, classes: int) -> nn.Module:
    """Three stages of `blocks` blocks each, with 16, 32 and 64 channels."""
    stages, inputs = OrderedDict[str, nn.Module](), WIDTHS[0]
    for number, width in enumerate(WIDTHS, start=1):
        parts = []
        for place in range(blocks):
            parts.append(BasicBlock(inputs, width, stride=2 if place == 0 and number > 1 else 1))
            inputs = width
        stages[f"layer{number}"] = nn.Sequential(*parts)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(WIDTHS[0]),
            relu=nn.ReLU(),
            **stages,
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(WIDTHS[-1], classes),
        )
    )
