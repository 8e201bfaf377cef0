"""VGG16 and VGG19 for small images, as the papers on pruning before training use them."""

from collections import OrderedDict

from torch import nn

from cops_core.models.base import Shape
from cops_core.vision import torchvision_models


def vgg16(shape: Shape, classes: int) -> nn.Module:
    """VGG16-D with batch norm. 15,255,626 parameters for 3x32x32, 10 classes.

    The convolutions are torchvision's (Simonyan and Zisserman 2015, configuration D). Two hidden linear
    layers of 512 units follow, with batch norm instead of dropout, as in SNIP (arXiv 1810.02340): 15,239,872
    maskable weights. Pooling rounds odd sides up, so that sides below 32 keep a pixel; for sides above 32 the
    output of the fifth pooling is averaged.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return nn.Sequential(
        OrderedDict(
            features=_features("D", shape[0]),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc1=nn.Linear(512, 512),
            norm1=nn.BatchNorm1d(512),
            relu1=nn.ReLU(),
            fc2=nn.Linear(512, 512),
            norm2=nn.BatchNorm1d(512),
            relu2=nn.ReLU(),
            fc3=nn.Linear(512, classes),
        )
    )


def vgg19(shape: Shape, classes: int) -> nn.Module:
    """VGG19-E with batch norm and one linear layer. 20,040,522 parameters for 3x32x32, 10 classes.

    The convolutions are torchvision's (Simonyan and Zisserman 2015, configuration E); a single linear layer
    follows, as in most work on 32 x 32 pixels since Liu et al. 2017 (arXiv 1708.06519). Pooling is as in
    `vgg16`.

    Args:
        shape: (channels, height, width) of an image, of any size.
        classes: The number of classes.

    Returns:
        The network.
    """
    return nn.Sequential(
        OrderedDict(
            features=_features("E", shape[0]),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(512, classes),
        )
    )


def _features(configuration: str, channels: int) -> nn.Module:
    """The convolutions of a configuration; pooling rounds odd sides up."""
    vgg = torchvision_models().vgg
    features: nn.Module = vgg.make_layers(vgg.cfgs[configuration], batch_norm=True)
    features.set_submodule("0", nn.Conv2d(channels, 64, 3, padding=1))
    for layer in features.children():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
    return features
