"""FORCE and Iterative SNIP: LeNet-300-100 on MNIST, which their paper does not have."""

from search_spaces.presets.base import Preset
from search_spaces.presets.methods import force_methods
from search_spaces.presets.recipes import MNIST_RECIPE

PRESET = Preset(
    paper="force",
    model="lenet_300_100",
    dataset="mnist",
    training=MNIST_RECIPE,
    methods=force_methods(samples_per_class=10, batches=1),
    seeds=5,
    tolerance=0.5,
)
