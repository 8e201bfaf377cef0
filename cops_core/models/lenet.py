"""The two LeNets of the papers, for any image shape that fits."""

from collections import OrderedDict

from torch import nn

from cops_core.errors import InputError
from cops_core.models.base import Shape


def lenet_300_100(shape: Shape, classes: int) -> nn.Module:
    """LeNet-300-100: three linear layers with ReLU. 266,610 parameters for 1x28x28, 10 classes.

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
            fc1=nn.Linear(channels * height * width, 300),
            relu1=nn.ReLU(),
            fc2=nn.Linear(300, 100),
            relu2=nn.ReLU(),
            fc3=nn.Linear(100, classes),
        )
    )


def lenet_5_caffe(shape: Shape, classes: int) -> nn.Module:
    """LeNet-5-Caffe: 20-50-500, unpadded 5x5 convolutions. 431,080 parameters for 1x28x28, 10 classes.

    Args:
        shape: (channels, height, width) of an image, at least 16 x 16.
        classes: The number of classes.

    Returns:
        The network.

    Raises:
        InputError: Smaller images.
    """
    channels, height, width = shape
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
    if rows < 1 or columns < 1:
        raise InputError(
            f"lenet_5_caffe needs images of at least 16 x 16, not {height} x {width}:"
            " use lenet_300_100 for smaller ones"
        )
    # ReLU commutes with max pooling: after the pooling it has a quarter of the values.
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 20, 5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * rows * columns, 500),
            relu3=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
    )
