"""FreezeNet's setting for LeNet-300-100 on MNIST, on Fashion-MNIST."""

from dataclasses import replace

from search_spaces.presets import freezenet_lenet_300_100_mnist

PRESET = replace(freezenet_lenet_300_100_mnist.PRESET, dataset="fashion_mnist", published=())
