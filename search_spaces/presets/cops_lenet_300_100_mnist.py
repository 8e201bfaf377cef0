"""COPS: LeNet-300-100 on MNIST, with the training of FreezeNet's preset."""

from dataclasses import replace

from search_spaces.presets import freezenet_lenet_300_100_mnist
from search_spaces.presets.methods import cops_methods

PRESET = replace(
    freezenet_lenet_300_100_mnist.PRESET,
    paper="cops",
    methods=cops_methods(samples_per_class=10),
)
