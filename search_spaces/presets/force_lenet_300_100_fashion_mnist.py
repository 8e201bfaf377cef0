"""FORCE and Iterative SNIP: LeNet-300-100 on Fashion-MNIST."""

from dataclasses import replace

from search_spaces.presets import force_lenet_300_100_mnist

PRESET = replace(force_lenet_300_100_mnist.PRESET, dataset="fashion_mnist", published=())
