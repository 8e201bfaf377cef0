"""COPS's setting for LeNet-300-100 on MNIST, on Fashion-MNIST."""

from dataclasses import replace

from search_spaces.presets import cops_lenet_300_100_mnist

PRESET = replace(cops_lenet_300_100_mnist.PRESET, dataset="fashion_mnist", published=())
