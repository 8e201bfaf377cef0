"""FreezeNet: LeNet-5-Caffe on MNIST, with two values from the paper's abstract."""

from dataclasses import replace

from search_spaces.presets import freezenet_lenet_300_100_mnist
from search_spaces.presets.published import FREEZENET_LENET_5_CAFFE

PRESET = replace(
    freezenet_lenet_300_100_mnist.PRESET, model="lenet_5_caffe", published=FREEZENET_LENET_5_CAFFE
)
