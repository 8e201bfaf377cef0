"""VGG16 for small images, as the papers on pruning before training use it."""

from collections import OrderedDict

from torch import nn

from cops_core.models.base import Shape
from cops_core.vision import torchvision_models


def vgg16(shape: Shape, classes: int) -> nn.Module:
    """VGG16-D with batch norm. 15,255,626 parameters on 3x32x32, 10 classes.

    The convolutions are torchvision's (Simonyan and Zisserman 2015, configuration D). Behind them
    come two hidden linear layers of 512 with batch norm in place of dropout, as in SNIP
    (arXiv 1810.02340): 15,239,872 maskable weights.

    shape: (channels, height, width) of an image, of any size. A pool rounds an odd side up, so that
    sides below 32 keep a pixel; what five pools leave of a side above 32 is averaged.
    """
    vgg = torchvision_models().vgg
    features = vgg.make_layers(vgg.cfgs["D"], batch_norm=True)
    features[0] = nn.Conv2d(shape[0], 64, 3, padding=1)
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
    return nn.Sequential(
        OrderedDict(
            features=features,
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
