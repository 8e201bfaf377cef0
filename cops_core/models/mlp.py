"""A network of two linear layers."""

from collections import OrderedDict

from torch import nn

from cops_core.models.base import Shape

HIDDEN = 512


def mlp_512(shape: Shape, classes: int) -> nn.Module:
    """Two linear layers with 512 hidden units and ReLU. 407,050 parameters for 1x28x28, 10 classes.

    Args:
        shape: (channels, height, width) of an image.
        classes: The number of classes.

    Returns:
        The network.
    """
    channels, height, width = shape
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(channels * height * width, HIDDEN),
            relu=nn.ReLU(),
            fc2=nn.Linear(HIDDEN, classes),
        )
    )
