"""Wide residual networks (Zagoruyko and Komodakis 2016), for small images."""

from collections import OrderedDict

from torch import Tensor, nn

from cops_core.models.base import Shape

STEM = 16


def wrn_16_8(shape: Shape, classes: int) -> nn.Module:
    """WRN-16-8 without dropout. 10,961,370 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _wide_resnet(blocks=2, factor=8, channels=shape[0], classes=classes)


class WideBlock(nn.Module):
    """Batch norm and ReLU before each of two 3x3 convolutions.

    Where the shape changes, the shortcut is a 1x1 convolution of what the first convolution reads.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        changes = stride > 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, images: Tensor) -> Tensor:
        """The block's output, of shape (N, outputs, height / stride, width / stride), rounded up."""
        active = self.relu1(self.bn1(images))
        residual: Tensor = self.conv2(self.relu2(self.bn2(self.conv1(active))))
        return residual + (images if self.shortcut is None else self.shortcut(active))


def _wide_resnet(blocks: int, factor: int, channels: int, classes: int) -> nn.Module:
    """Three stages of `blocks` blocks each, with `factor` times 16, 32 and 64 channels."""
    stages, inputs = OrderedDict[str, nn.Module](), STEM
    for number in (1, 2, 3):
        width, parts = STEM * 2 ** (number - 1) * factor, []
        for place in range(blocks):
            parts.append(WideBlock(inputs, width, stride=2 if place == 0 and number > 1 else 1))
            inputs = width
        stages[f"layer{number}"] = nn.Sequential(*parts)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, STEM, 3, padding=1, bias=False),
            **stages,
            bn=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(inputs, classes),
        )
    )
