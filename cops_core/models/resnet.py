"""Residual networks for small images: torchvision's, with the stem of the CIFAR experiments."""

from torch import nn

from cops_core.models.base import Shape
from cops_core.vision import torchvision_models


def resnet18(shape: Shape, classes: int) -> nn.Module:
    """ResNet18 (He et al. 2016). 11,173,962 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _resnet((2, 2, 2, 2), shape[0], classes)


def resnet34(shape: Shape, classes: int) -> nn.Module:
    """ResNet34 (He et al. 2016). 21,282,122 parameters for 3x32x32, 10 classes.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return _resnet((3, 4, 6, 3), shape[0], classes)


def _resnet(blocks: tuple[int, int, int, int], channels: int, classes: int) -> nn.Module:
    """Basic blocks in four stages of 64, 128, 256 and 512 channels.

    The first layer is a 3x3 convolution of stride 1 without max pooling: torchvision's own stem would reduce
    32 x 32 pixels to 8 x 8.
    """
    resnet = torchvision_models().resnet
    network: nn.Module = resnet.ResNet(resnet.BasicBlock, list(blocks), num_classes=classes)
    network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network
